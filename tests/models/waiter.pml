/*
 * A wait set or executor that sleeps for two ports on its own word, and the publishers that wake it through them.
 *
 * Modelled: publisher p writes to port p, MESSAGES messages; both are in processes that are registered for membarrier and
 * do not fence. A waiter that takes everything of both ports and sleeps whenever it finds nothing: it loads the number of
 * signals, marks both ports, runs the barrier, looks, says that it is asleep, compares the number and queues. Who wakes
 * turns the port's word to Woken, raises the number, and makes the system call if the waiter says that it is asleep. Store
 * buffers of depth 2 for everybody (x86-TSO); read-modify-writes are locked instructions. A sleep has no slice. KILL=1:
 * publisher 0 is killed at any step, then who retires it wakes as a publisher does.
 * Property: when nothing moves any more the waiter has taken everything that was published; but for messages of a
 * publisher that was killed between its exchange and the end of its wake, which the slice is for. Those of the other
 * publisher are never among them.
 * Left out: the slice, spurious wake-ups, spinning, user events and timers (they raise the number in the same way),
 * attaching and detaching (a port that is not marked wakes nobody), queues (a slot is the number of messages published),
 * weak memory beyond TSO.
 *
 * Mirrors: notifier::wakeIfAsleep, wake(PortRecord), wake(WaiterRecord), markAsleep, afterMarking, signalsOf,
 * sleep(WaiterRecord), stayAwake; WaitSet::Members::sleepOnce; the end of recovery's retirePublisher.
 *
 * run: -DKILL=0 -DMESSAGES=3
 * run: -DKILL=1 -DMESSAGES=3
 * mutant: -DMUTANT_NO_BARRIER
 * mutant: -DMUTANT_NO_LAST_LOOK
 * mutant: -DMUTANT_NUMBER_AFTER_LOOK
 * mutant: -DMUTANT_NO_VALUE_CHECK
 * mutant: -DMUTANT_ASLEEP_AFTER_CHECK
 * mutant: -DMUTANT_ASLEEP_IN_THE_BUFFER
 * mutant: -DMUTANT_ASLEEP_READ_FIRST
 * mutant: -DMUTANT_ONE_CALL_FOR_ALL -DKILL=1
 * mutant: -DMUTANT_RECOVERY_DOES_NOT_WAKE -DKILL=1
 */

#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef KILL
#define KILL 0
#endif

#define AWAKE 0
#define ASLEEP 1
#define WOKEN 2

/* Shared words: the slots of both publishers, the words of their ports, the waiter's own two. */
#define SLOT(p) (p)
#define PORT(p) (2 + (p))
#define SIGNAL 4
#define WAITS 5
byte mem[6];
byte ba[6], bv[6], bn[3]; /* store buffers of publishers 0 and 1 and of the waiter, two entries each */

bool queued;       /* the waiter is in the kernel's queue */
byte taken[2];
bool idle[2];
bool dead, retired, owes;
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

/* wake(WaiterRecord&). The caller's buffer is empty: a locked instruction came before. */
inline wakeWaiter()
{
#ifdef MUTANT_ASLEEP_READ_FIRST
    ok = mem[WAITS] == 1;
    atomic { mem[SIGNAL] = (mem[SIGNAL] + 1) % 16 };
#else
    atomic { mem[SIGNAL] = (mem[SIGNAL] + 1) % 16 };
#ifdef MUTANT_ONE_CALL_FOR_ALL
    atomic { ok = mem[WAITS] == 1; mem[WAITS] = 0 };
#else
    ok = mem[WAITS] == 1;
#endif
#endif
    if
    :: ok -> atomic { queued = false; ok = false } /* FUTEX_WAKE */
    :: else
    fi
}

inline wakeIfAsleep(p)
{
    if
    :: mem[PORT(p)] == ASLEEP ->
        atomic { /* exchange: a locked instruction */
            drained(p) ->
            if
            :: mem[PORT(p)] == ASLEEP -> mem[PORT(p)] = WOKEN; won = true; owes = owes || p == 0
            :: else
            fi
        };
        if
        :: won -> wakeWaiter(); atomic { won = false; owes = owes && p != 0 }
        :: else
        fi
    :: else
    fi
}

proctype Publisher(byte p)
{
    byte k;
    bool ok, won;
    {
        do
        :: k < MESSAGES ->
            k++;
            store(p, SLOT(p), k);
            wakeIfAsleep(p)
        :: else -> break
        od;
        idle[p] = true;
endIdle:
        false
    } unless { atomic { die[p]?1 -> dead = true; k = 0; ok = false; won = false } }
}

#define AT_HAND (mem[0] > taken[0] || mem[1] > taken[1])

inline takeAny()
{
    atomic {
        found = false;
        if
        :: mem[0] > taken[0] -> taken[0]++; found = true
        :: mem[1] > taken[1] -> taken[1]++; found = true
        :: !AT_HAND
        fi
    }
}

inline barrierEverywhere()
{
    drained(2); /* the caller's own fence */
#ifndef MUTANT_NO_BARRIER
    atomic {
        do
        :: bn[0] > 0 -> commit(0)
        :: bn[1] > 0 -> commit(1)
        :: else -> break
        od
    }
#endif
}

active proctype Waiter()
{
    bool found;
    byte seen;
    do
    :: takeAny();
        if
        :: found
        :: else -> /* sleepOnce() */
#ifndef MUTANT_NUMBER_AFTER_LOOK
            seen = mem[SIGNAL];
#endif
            atomic { drained(2) -> mem[PORT(0)] = ASLEEP }; /* seq_cst stores */
            atomic { drained(2) -> mem[PORT(1)] = ASLEEP };
            barrierEverywhere();
#ifndef MUTANT_NO_LAST_LOOK
            takeAny();
#endif
#ifdef MUTANT_NUMBER_AFTER_LOOK
            seen = mem[SIGNAL];
#endif
            if
            :: found
            :: else ->
#ifdef MUTANT_ASLEEP_IN_THE_BUFFER
                store(2, WAITS, 1);
#else
#ifndef MUTANT_ASLEEP_AFTER_CHECK
                atomic { drained(2) -> mem[WAITS] = 1 }; /* seq_cst store */
#endif
#endif
#ifdef MUTANT_NO_VALUE_CHECK
                queued = true;
#else
                atomic { /* FUTEX_WAIT compares and queues in one step */
                    if
                    :: mem[SIGNAL] == seen -> queued = true
                    :: else
                    fi
                };
#endif
#ifdef MUTANT_ASLEEP_AFTER_CHECK
                atomic { drained(2) -> mem[WAITS] = 1 };
#endif
endAsleep:
                !queued;
                store(2, WAITS, 0)
            fi;
            atomic { drained(2) -> mem[PORT(0)] = AWAKE };
            atomic { drained(2) -> mem[PORT(1)] = AWAKE };
            seen = 0
        fi
    od
}

active proctype Recoverer()
{
    bool ok, won;
end:
    dead && drained(0);
#ifndef MUTANT_RECOVERY_DOES_NOT_WAKE
    if
    :: mem[PORT(0)] == ASLEEP ->
        atomic {
            if
            :: mem[PORT(0)] == ASLEEP -> mem[PORT(0)] = WOKEN; won = true
            :: else
            fi
        };
        if
        :: won -> wakeWaiter()
        :: else
        fi
    :: else
    fi;
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

init
{
    atomic {
        run Publisher(0);
        run Publisher(1)
    };
    timeout;
    assert((idle[0] || retired) && idle[1]);
    assert(taken[1] == mem[1]);
    assert(owes || taken[0] == mem[0])
}
