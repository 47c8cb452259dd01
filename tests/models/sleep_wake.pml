/*
 * Sleeping and waking: a subscriber that sleeps on its port's futex word and the publishers that wake it.
 *
 * Modelled: two publishers with MESSAGES messages each, one in a process that is registered for membarrier and so does
 * not fence, one that is not and does; a subscriber that takes everything and sleeps whenever it finds nothing. Store
 * buffers of depth 2 for everybody (x86-TSO). The sleeper's membarrier empties the buffer of the registered publisher
 * only. FUTEX_WAIT compares the word and queues in one step, FUTEX_WAKE takes the sleeper from the queue. A sleep has
 * no slice: it ends by a wake-up alone. KILL=1: the registered publisher is killed at any step, then who retires it
 * calls wakeIfAsleep().
 * Property: when nothing moves any more the subscriber has taken everything that was published; with one exception,
 * which the slice is for: a publisher killed between its exchange and its system call (the word is Woken, and nobody
 * calls).
 * Left out: the slice, spurious wake-ups (the loop takes them for a reason to look), spinning before sleeping, more
 * than one sleeper, queues (a slot is the number of messages published), weak memory beyond TSO.
 *
 * Mirrors: notifier::wakeIfAsleep, wake, announceSleep, sleep, stayAwake, barrierEverywhere; SubscriberPort::wait, nap;
 * the end of PublisherPort::publish; the end of recovery's retirePublisher.
 *
 * run: -DKILL=0 -DMESSAGES=3
 * run: -DKILL=1 -DMESSAGES=3
 * mutant: -DMUTANT_NO_BARRIER
 * mutant: -DMUTANT_NO_FENCE
 * mutant: -DMUTANT_NO_LAST_LOOK
 * mutant: -DMUTANT_NO_VALUE_CHECK
 * mutant: -DMUTANT_LOOK_FIRST
 * mutant: -DMUTANT_BARRIER_BEFORE_WORD
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

/* Shared words: the slots of publishers 0 and 1, and the futex word. */
#define SLEEP 2
byte mem[3];
byte ba[6], bv[6], bn[3]; /* store buffers of publishers 0 and 1 and of the subscriber, two entries each */

bool queued;       /* the subscriber is in the kernel's queue */
byte taken[2];
bool idle[2];
bool dead, retired, owesCall;
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

/* Publisher p never stores the futex word plainly, so its loads of it need no look into its own buffer. */
inline wakeIfAsleep(p)
{
    if
    :: mem[SLEEP] == ASLEEP ->
        atomic { /* exchange: a locked instruction */
            drained(p) ->
            if
            :: mem[SLEEP] == ASLEEP -> mem[SLEEP] = WOKEN; ok = true; owesCall = owesCall || p == 0
            :: else
            fi
        };
        if
        :: ok -> atomic { queued = false; ok = false; owesCall = owesCall && p != 0 } /* FUTEX_WAKE */
        :: else
        fi
    :: else
    fi
}

proctype Publisher(byte p)
{
    byte k;
    bool ok;
    {
        do
        :: k < MESSAGES ->
            k++;
#ifdef MUTANT_LOOK_FIRST
            wakeIfAsleep(p);
            store(p, p, k)
#else
            store(p, p, k);
#ifndef MUTANT_NO_FENCE
            if
            :: p == 1 -> drained(p)
            :: else
            fi;
#endif
            wakeIfAsleep(p)
#endif
        :: else -> break
        od;
        idle[p] = true;
endIdle:
        false
    } unless { atomic { die[p]?1 -> dead = true; k = 0; ok = false } }
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
#ifndef MUTANT_NO_BARRIER
    drained(2); /* the caller's own fence */
    atomic {
        do
        :: bn[0] > 0 -> commit(0)
        :: else -> break
        od
    }
#else
    drained(2)
#endif
}

active proctype Subscriber()
{
    bool found;
    do
    :: takeAny();
        if
        :: found
        :: else -> /* nap() */
#ifdef MUTANT_BARRIER_BEFORE_WORD
            barrierEverywhere();
            atomic { drained(2) -> mem[SLEEP] = ASLEEP };
#else
            atomic { drained(2) -> mem[SLEEP] = ASLEEP }; /* seq_cst store */
            barrierEverywhere();
#endif
#ifndef MUTANT_NO_LAST_LOOK
            takeAny();
#endif
            if
            :: found -> store(2, SLEEP, AWAKE) /* stayAwake() */
            :: else ->
#ifdef MUTANT_NO_VALUE_CHECK
                queued = true;
#else
                atomic {
                    if
                    :: mem[SLEEP] == ASLEEP -> queued = true
                    :: else
                    fi
                };
#endif
endAsleep:
                !queued;
                atomic { drained(2) -> mem[SLEEP] = AWAKE }
            fi
        fi
    od
}

active proctype Recoverer()
{
    bool ok;
end:
    dead && drained(0);
    /* the epoch moves, barrier; then: */
#ifndef MUTANT_RECOVERY_DOES_NOT_WAKE
    if
    :: mem[SLEEP] == ASLEEP ->
        atomic {
            if
            :: mem[SLEEP] == ASLEEP -> mem[SLEEP] = WOKEN; ok = true
            :: else
            fi
        };
        if
        :: ok -> queued = false
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
    assert(owesCall || (taken[0] == mem[0] && taken[1] == mem[1]))
}
