/*
 * The descriptor of a subscriber or wait set in an event loop: who finds nothing arms it, who has set a slot rings it.
 *
 * Modelled: two publishers with MESSAGES messages each (0: VICTIM_MESSAGES), in processes that are registered for
 * membarrier and do not fence; PORTS=1: both write to one subscriber, which has the descriptor; PORTS=2: publisher p
 * writes to port p of a wait set that has it. A loop that waits in poll(); then it takes until nothing is left, or goes
 * back to poll() before. EDGE=0: poll() returns as long as the FIFO or the timer can be read. EDGE=1: once for each
 * byte, also for one in a FIFO that is not empty (the kernel has to do that: EDGE_ONLY_OF_EMPTY), if the FIFO can still
 * be read then; such a loop goes back after nothing was left or after a wait(). Arming is what the code does: the short
 * way without a system call, which is trusted at most TRUST times, or empty the FIFO, mark, barrier, look, and set the
 * timer or ring itself. Between the two once a wait() in which port 0 sleeps itself (SleepsItself): publishers find no
 * row and write no byte meanwhile. Before the descriptor is made the ports were marked once, so somebody may be about to
 * wake a row that has no FIFO yet. A FIFO is a bit; bytes, and that they were counted, are two steps. Store buffers of
 * depth 2 for everybody (x86-TSO); read-modify-writes are locked instructions, system calls are not. KILL=1: publisher 0
 * may have no descriptor left to open the FIFO with, and is killed at any step; then who retires it wakes as a publisher
 * does.
 * Properties: when nothing moves any more and the timer has not run out, everything that was published is taken; but for
 * a port that publisher 0 has turned to Woken without having written its byte. That is for the slice: then the timer
 * runs out, and when nothing moves any more everything is taken and the timer set again. With PORTS=2 messages of the
 * other publisher never wait for it. After a byte, or when the timer has run out, poll() returns at most TRUST + 2 times
 * for nothing: the look that was under way, those that trust, the one that empties the FIFO.
 * Left out: the row's futex word and who sleeps on it (waiter.pml), that wait() is woken (sleep_wake.pml; here it ends
 * by itself at any time), deadlines and other moments for which the timer is set early, messages that expire, samples
 * held, who attaches and detaches, the end of a descriptor, queues (a slot is the number of messages published), weak
 * memory beyond TSO.
 *
 * Mirrors: SubscriberPort::armDescriptor, descriptor, wait, nap, SleepsItself; WaitSet::Members::wait, arm;
 * WakeDescriptor::isArmed, disarm, arm, ring; notifier::wakeIfAsleep, wake(PortRecord), wake(WaiterRecord), markAsleep,
 * afterMarking, isMarked, stayAwake; wake_pipe::ring, drain; Domain::openPipe; the end of recovery's retirePublisher.
 *
 * run: -DKILL=0
 * run: -DKILL=0 -DEDGE=1
 * run: -DKILL=1
 * run: -DKILL=1 -DEDGE=1
 * run: -DKILL=1 -DPORTS=2 -DVICTIM_MESSAGES=1
 * run: -DKILL=1 -DPORTS=2 -DVICTIM_MESSAGES=1 -DEDGE=1
 * mutant: -DMUTANT_SLOT_AFTER_RING
 * mutant: -DMUTANT_NO_BARRIER
 * mutant: -DMUTANT_NO_LAST_LOOK
 * mutant: -DMUTANT_LOOK_BEFORE_MARK
 * mutant: -DMUTANT_EMPTIED_AFTER_LOOK
 * mutant: -DMUTANT_NOT_RUNG_AFTER_LOOK
 * mutant: -DMUTANT_NOT_RUNG_AFTER_NAP
 * mutant: -DMUTANT_NOT_RUNG_AT_FIRST
 * mutant: -DMUTANT_PIPE_AFTER_MARK -DPORTS=2
 * mutant: -DMUTANT_MARK_NOT_CHECKED -DEDGE=1
 * mutant: -DMUTANT_ONE_MARK_CHECKED -DPORTS=2 -DEDGE=1
 * mutant: -DMUTANT_TRUSTED_FOR_EVER
 * mutant: -DMUTANT_TIMER_NOT_SET_AGAIN
 * mutant: -DMUTANT_EDGE_ONLY_OF_EMPTY -DEDGE=1
 * mutant: -DMUTANT_RECOVERY_DOES_NOT_WAKE -DKILL=1
 */

#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef VICTIM_MESSAGES
#define VICTIM_MESSAGES MESSAGES
#endif
#ifndef KILL
#define KILL 0
#endif
#ifndef EDGE
#define EDGE 0
#endif
#ifndef PORTS
#define PORTS 1
#endif
#ifndef TRUST
#define TRUST 1
#endif

#define AWAKE 0
#define ASLEEP 1
#define WOKEN 2

/* Shared words: the slots of both publishers, the words of the ports, which row each wakes (0: none), the FIFO. */
#define SLOT(p) (p)
#define SLEEP(q) (2 + (q))
#define ROW(q) (4 + (q))
#define PIPE 6
#if PORTS == 1
#define PORT(p) 0
#else
#define PORT(p) (p)
#endif
byte mem[7];
byte ba[6], bv[6], bn[3]; /* store buffers of publishers 0 and 1 and of the loop, two entries each */

bool fifo, timer;  /* what can be read: a byte, and that the timer has run out */
bool edge;         /* a byte has come since poll() looked */
bool counted;      /* m_rung has moved since disarm() read it */
byte taken[2];
byte vain;         /* times that poll() has returned for nothing since the last byte, or the end of the slice */
bool idle[2];
bool dead, retired;
bool owes[2];      /* publisher 0 has turned this port's word and not written yet */
chan die[2] = [0] of { bit };

#define drained(p) (bn[p] == 0)
#define store(p, a, v) atomic { bn[p] < 2 -> ba[2 * p + bn[p]] = a; bv[2 * p + bn[p]] = v; bn[p]++ }
#define commit(p) \
    mem[ba[2 * p]] = bv[2 * p]; \
    ba[2 * p] = ba[2 * p + 1]; bv[2 * p] = bv[2 * p + 1]; \
    ba[2 * p + 1] = 0; bv[2 * p + 1] = 0; bn[p]--

active proctype Buffers()
{
end:
    do
    :: d_step { bn[0] > 0 -> commit(0) }
    :: d_step { bn[1] > 0 -> commit(1) }
    :: d_step { bn[2] > 0 -> commit(2) }
    od
}

#if EDGE == 0
#define NEW_EDGE edge
#else
#ifdef MUTANT_EDGE_ONLY_OF_EMPTY
#define NEW_EDGE (edge || !fifo) /* a kernel that wakes pollers only if the FIFO was empty */
#else
#define NEW_EDGE true
#endif
#endif

/* Within an atomic. */
#define writeByte() edge = NEW_EDGE; fifo = true; vain = 0

/* wake(PortRecord&) after its exchange, p: who wakes; 2: who is never killed. */
inline wakeRow(q, p)
{
    if
    :: mem[ROW(q)] == 1 ->
        if
        :: mem[PIPE] == 1 ->
            if
            :: atomic { writeByte(); owes[q] = owes[q] && p != 0 };
                counted = true
#if KILL
            :: p == 0 /* EMFILE */
#endif
            fi
        :: else -> owes[q] = owes[q] && p != 0
        fi
    :: else -> owes[q] = owes[q] && p != 0 /* FUTEX_WAKE */
    fi
}

#define hasFenced(p) (p == 2 || drained(p % 2))

inline wakeIfAsleep(q, p)
{
    if
    :: mem[SLEEP(q)] == ASLEEP ->
        if /* exchange: a locked instruction */
        :: atomic { hasFenced(p) && mem[SLEEP(q)] == ASLEEP -> mem[SLEEP(q)] = WOKEN; owes[q] = p == 0 };
            wakeRow(q, p)
        :: hasFenced(p) && mem[SLEEP(q)] != ASLEEP
        fi
    :: else
    fi
}

proctype Publisher(byte p)
{
    byte k;
    {
        do
        :: k < (p == 0 -> VICTIM_MESSAGES : MESSAGES) ->
            k++;
#ifdef MUTANT_SLOT_AFTER_RING
            wakeIfAsleep(PORT(p), p);
            store(p, SLOT(p), k)
#else
            store(p, SLOT(p), k);
            wakeIfAsleep(PORT(p), p)
#endif
        :: else -> break
        od;
        idle[p] = true;
endIdle:
        false
    } unless { atomic { die[p]?1 -> dead = true; k = 0 } }
}

#define AT_HAND(p) (mem[SLOT(p)] > taken[p])

/* Of port 0 alone, or of all. */
inline takeAny(all)
{
    atomic {
        found = false;
        if
        :: AT_HAND(0) -> taken[0]++; found = true
        :: AT_HAND(1) && (all || PORT(1) == 0) -> taken[1]++; found = true
        :: !AT_HAND(0) && !(AT_HAND(1) && (all || PORT(1) == 0))
        fi;
        woken = woken && !found
    }
}

inline barrierEverywhere()
{
    atomic {
        drained(2); /* the caller's own fence */
#ifndef MUTANT_NO_BARRIER
        do
        :: bn[0] > 0 -> commit(0)
        :: bn[1] > 0 -> commit(1)
        :: else -> break
        od
#endif
    }
}

/* A seq_cst store. From here on a byte that is owed for what came before is not missed: the look comes after it. */
#define mark(q) atomic { drained(2) -> mem[SLEEP(q)] = ASLEEP; owes[q] = false }

inline markAll()
{
    mark(0);
#if PORTS == 2
    mark(1)
#endif
}

inline stayAwake()
{
    store(2, SLEEP(0), AWAKE);
#if PORTS == 2
    store(2, SLEEP(1), AWAKE)
#endif
}

#ifdef MUTANT_MARK_NOT_CHECKED
#define IS_MARKED true
#else
#if PORTS == 1 || defined(MUTANT_ONE_MARK_CHECKED)
#define IS_MARKED (mem[SLEEP(0)] == ASLEEP)
#else
#define IS_MARKED (mem[SLEEP(0)] == ASLEEP && mem[SLEEP(1)] == ASLEEP)
#endif
#endif
#ifdef MUTANT_TRUSTED_FOR_EVER
#define COUNT_TRUST skip
#else
#define COUNT_TRUST trusted++
#endif

/* armDescriptor(), or WaitSet's arm(): whether something came meanwhile says where it goes on. */
inline arm()
{
    if
    :: IS_MARKED && armed && !timer ->
        if
        :: atomic { !counted && trusted < TRUST -> COUNT_TRUST; goto nothing }
        :: else
        fi
    :: else
    fi;
    atomic { armed = false; trusted = 0; counted = false };
#ifndef MUTANT_EMPTIED_AFTER_LOOK
    fifo = false;
#endif
#ifdef MUTANT_LOOK_BEFORE_MARK
    takeAny(true);
    markAll();
    barrierEverywhere();
#else
    markAll();
    barrierEverywhere();
#ifdef MUTANT_PIPE_AFTER_MARK
    atomic { drained(2) -> mem[PIPE] = 1 };
#endif
#ifndef MUTANT_NO_LAST_LOOK
    takeAny(true);
#endif
#endif
#ifdef MUTANT_EMPTIED_AFTER_LOOK
    fifo = false;
#endif
    if
    :: found ->
        stayAwake();
#ifndef MUTANT_NOT_RUNG_AFTER_LOOK
        atomic { writeByte(); goto some }
#else
        goto some
#endif
    :: else ->
#ifdef MUTANT_TIMER_NOT_SET_AGAIN
        armed = true
#else
        atomic { timer = false; armed = true }
#endif
    fi
}

/* nap() of port 0's subscriber. */
inline nap()
{
    store(2, ROW(0), 0); /* SleepsItself */
    mark(0);
    barrierEverywhere();
    takeAny(false);
    if
    :: found -> store(2, SLEEP(0), AWAKE)
    :: else -> /* FUTEX_WAIT, as long as it takes */
        atomic { drained(2) -> mem[SLEEP(0)] = AWAKE }; /* exchange */
        takeAny(false)
    fi;
    store(2, ROW(0), 1);
#ifndef MUTANT_NOT_RUNG_AFTER_NAP
    atomic {
        writeByte();
#if PORTS == 1
        armed = false
#endif
    }
#if PORTS == 2
    ;
    counted = true /* through the row */
#endif
#endif
}

active proctype Loop()
{
    bool found, armed, napped, woken;
    byte trusted;

    /* It has slept without a descriptor. */
#if PORTS == 2
    atomic { mem[ROW(0)] = 1; mem[ROW(1)] = 1 };
#endif
    markAll();
    barrierEverywhere();
    stayAwake();
    /* It asks for one. */
#ifndef MUTANT_PIPE_AFTER_MARK
    atomic { drained(2) -> mem[PIPE] = 1 }; /* seq_cst store */
#endif
#ifndef MUTANT_NOT_RUNG_AT_FIRST
    atomic { writeByte() };
#endif
#if PORTS == 1
    store(2, ROW(0), 1);
#endif

endPoll:
#if EDGE == 0
    atomic { fifo || timer -> woken = true };
#else
    atomic {
        edge -> edge = false;
        if
        :: fifo || timer -> woken = true
        :: else -> goto endPoll
        fi
    };
#endif

take:
    atomic {
        takeAny(true);
        if
        :: found -> goto some
        :: else
        fi
    };
    arm();
nothing:
    atomic {
        if
        :: woken -> woken = false; vain++; assert(vain <= TRUST + 2)
        :: else
        fi;
        if
        :: goto endPoll
        :: !napped -> napped = true
        fi
    };
    nap();
    if
    :: found -> goto endPoll
    :: goto take
    fi;
some:
    if
#if EDGE == 0
    :: goto endPoll
#endif
    :: goto take
    fi
}

active proctype Recoverer()
{
end:
    dead && drained(0);
#ifndef MUTANT_RECOVERY_DOES_NOT_WAKE
    wakeIfAsleep(PORT(0), 2);
#endif
    retired = true
}

active proctype Killer()
{
end:
#if KILL
    die[0]!1
#else
    skip
#endif
}

#define ALL_TAKEN(p) (taken[p] == mem[SLOT(p)])

init
{
    atomic {
        run Publisher(0);
        run Publisher(1)
    };
    timeout;
    assert((idle[0] || retired) && idle[1] && Loop@endPoll);
    assert(ALL_TAKEN(0) || owes[PORT(0)]);
    assert(ALL_TAKEN(1) || owes[PORT(1)]);
    /* The slice is over. */
    atomic { timer = true; edge = (EDGE == 1); vain = 0 };
    timeout;
    assert(Loop@endPoll && !timer && ALL_TAKEN(0) && ALL_TAKEN(1))
}
