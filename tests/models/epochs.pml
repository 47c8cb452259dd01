/*
 * Epochs and the grace period: when a subscriber has died, its bit, its port record, its pair record and the pair's
 * block are given to a newcomer, while a publisher goes on that may be in the middle of a call with the old connection.
 *
 * Modelled: a publisher that publishes N messages, each in a call between enter() and leave(), with a store buffer of
 * depth 2 (x86-TSO); subscriber 1, connected, killed at any step; who retires it (killed once at any step, repeated;
 * gives up on a publisher that stays in its call, and tries again); then subscriber 2, which gets the same bit, port,
 * pair record and block. KILL_PUBLISHER: the publisher is killed at any step too. FENCES: the publisher's process is
 * not registered for membarrier, fences in enter(), and no barrier reaches it.
 * A store into the block carries the incarnation of the pair that it is meant for.
 * Properties: a store reaches the block only while it is that pair's; the bit of subscriber 2 stands until it gives the
 * chunk back, and what it reads does not change; in the end no chunk has a bit of a subscriber left.
 * Left out: eviction (slots as many as messages), several pairs, the publisher's own retiring, ports that stay Dying
 * for ever because a publisher is stopped for ever, the wrap of incarnations, weak memory beyond TSO.
 *
 * Mirrors: PublisherPort::enter, leave, onEpoch, dropGoneSubscribers, findNewSubscribers, collect, scan; recovery's
 * retireSubscriber, quiesce, sweepOwnBit; PoolSet::addPort, makePair, connect; notifier::barrierEverywhere.
 *
 * run: -DN=3
 * run: -DN=3 -DFENCES
 * run: -DN=3 -DKILL_PUBLISHER
 * mutant: -DMUTANT_NO_QUIESCE
 * mutant: -DMUTANT_NO_BARRIER
 * mutant: -DMUTANT_NO_FENCE -DFENCES
 * mutant: -DMUTANT_EPOCH_BEFORE_BUSY
 * mutant: -DMUTANT_FREE_AFTER_GIVING_UP
 * mutant: -DMUTANT_NO_INCARNATION
 * mutant: -DMUTANT_NO_SECOND_INCARNATION
 * mutant: -DMUTANT_SWEEP_AFTER_OFF
 * mutant: -DMUTANT_SWEEP_BEFORE_QUIESCE -DN=2 -DKILL_PUBLISHER
 */

#ifndef N
#define N 3
#endif
#define CHUNKS 2
#define WANTS 255

#define BIT 2 /* of subscriber 1, then of subscriber 2 */
#define OWN 1

/* Words that the publisher stores plainly. SLOT, JOIN: in the pair's block. */
#define BUSY 0
#define WORD(c) (1 + (c))
#define JOIN (1 + CHUNKS)
#define SLOT(s) (1 + CHUNKS + (s))
#define CELLS (2 + CHUNKS + N)
byte mem[CELLS];
byte ba[2], bv[2], bi[2], bn; /* store buffer; bi: incarnation of the pair that the store is for, 0: not in a block */

byte epoch;
byte blockPair = 1;           /* whose the block is */
bool used, gone;              /* PairRecord::m_state */
byte incarnation;
byte returned[N + 1];         /* the return ring, in the block: the chunk plus one */
byte content[CHUNKS];
bool publisherDead, oneDead, portOff, idle, flush, giveUp;
chan diePublisher = [0] of { bit };
chan dieOne = [0] of { bit };
chan dieRecoverer = [0] of { bit };

#define SETTLED(c) (!(mem[WORD(c)] & BIT) || (mem[JOIN] != WANTS && content[c] >= mem[JOIN]))

#define drained (bn == 0)
#define store(a, v, i) atomic { bn < 2 -> ba[bn] = a; bv[bn] = v; bi[bn] = i; bn++ }

active proctype Buffer()
{
end:
    do
    :: d_step {
        bn > 0 ->
        assert(bi[0] == 0 || bi[0] == blockPair);
        mem[ba[0]] = bv[0];
        ba[0] = ba[1]; bv[0] = bv[1]; bi[0] = bi[1];
        ba[1] = 0; bv[1] = 0; bi[1] = 0;
        bn-- }
    od
}

/* fetch_and of the bit, then keep() if nobody else has it. */
inline clear(c)
{
    if
    :: flying[c] -> atomic { drained -> mem[WORD(c)] = mem[WORD(c)] & ~BIT; flying[c] = false }
    :: else
    fi
}

inline onEpoch()
{
    if
    :: connected != 0 ->
        stays = used && !gone;
#ifndef MUTANT_NO_INCARNATION
        stays = stays && incarnation == connected;
#endif
        if
        :: !stays ->
            connected = 0;
            clear(0);
            clear(1)
        :: else
        fi
    :: else
    fi;
    if
    :: connected == 0 ->
        found = incarnation;
        if
        :: atomic { used && !gone -> skip };
            if
            :: mem[JOIN] == WANTS ->
#ifndef MUTANT_NO_SECOND_INCARNATION
                if
                :: incarnation == found && used && !gone ->
#else
                if
                :: true ->
#endif
                    atomic { connected = found; collected = s };
                    store(JOIN, s, connected)
                :: else
                fi
            :: else
            fi
        :: else
        fi;
        found = 0
    :: else
    fi;
    stays = false
}

inline enter()
{
#ifndef MUTANT_EPOCH_BEFORE_BUSY
    busy = 1 - busy;
    store(BUSY, busy, 0);
#if defined(FENCES) && !defined(MUTANT_NO_FENCE)
    drained;
#endif
#endif
    if
    :: atomic { epoch != my -> my = epoch }; onEpoch()
    :: else
    fi;
#ifdef MUTANT_EPOCH_BEFORE_BUSY
    busy = 1 - busy;
    store(BUSY, busy, 0);
#endif
    skip
}

inline leave()
{
    busy = 1 - busy;
    store(BUSY, busy, 0)
}

#define MINE(c) (flying[c] && mem[WORD(c)] == OWN && drained)

/* Takes back what was returned, and what somebody else has swept. */
inline collect()
{
    do
    :: atomic { connected != 0 && collected <= N && returned[collected] != 0 ->
        i = returned[collected] - 1; collected++ };
        if
        :: flying[i] && content[i] + 1 == collected -> clear(i)
        :: else
        fi;
        i = 0
    :: atomic { MINE(0) -> flying[0] = false }
    :: atomic { MINE(1) -> flying[1] = false }
    :: atomic { !(connected != 0 && collected <= N && returned[collected] != 0) && !MINE(0) && !MINE(1) -> break }
    od
}

proctype Publisher()
{
    byte s = 1, c, i, my, busy, connected = 1, found, collected = 1;
    bool stays, flying[CHUNKS];
    {
        do
        :: s <= N ->
            enter();
            collect();
            if
            :: !flying[0] || !flying[1] ->
                atomic {
                    if
                    :: !flying[0] -> c = 0
                    :: !flying[1] -> c = 1
                    fi;
                    drained; content[c] = s
                };
                if
                :: connected != 0 ->
                    store(WORD(c), OWN | BIT, 0);
                    store(SLOT(s), c + 1, connected);
                    flying[c] = true
                :: else /* back to the stash */
                fi;
                atomic { s++; c = 0 }
            :: else
            fi;
            leave()
        :: else -> break
        od;
        idle = true;
endIdle:
        flush;
        enter();
        collect();
        leave();
        idle = false;
endDone:
        false
    } unless { atomic {
        diePublisher?1 ->
        publisherDead = true;
        s = 0; c = 0; i = 0; my = 0; busy = 0; connected = 0; found = 0; collected = 0; stays = false;
        flying[0] = false; flying[1] = false }
    }
}

proctype One()
{
    byte s = 1, c;
    {
        do
        :: atomic { s <= N && mem[SLOT(s)] != 0 -> c = mem[SLOT(s)] - 1 };
            assert(content[c] == s && (mem[WORD(c)] & BIT));
            atomic { assert(content[c] == s && (mem[WORD(c)] & BIT)); returned[s] = c + 1; s++; c = 0 }
        :: s > N -> break
        od;
endIdle:
        false
    } unless { atomic { dieOne?1 -> oneDead = true; s = 0; c = 0 } }
}

inline sweep()
{
    atomic { mem[WORD(0)] = mem[WORD(0)] & ~BIT };
    atomic { mem[WORD(1)] = mem[WORD(1)] & ~BIT }
}

active proctype Recoverer()
{
    bool quiet;
    byte at;
again:
    {
        skip;
endWait:
        oneDead && !portOff;
        do
        :: gone = true;
            epoch++;
#if !defined(MUTANT_NO_BARRIER) && !defined(FENCES)
            drained;
#endif
#ifdef MUTANT_SWEEP_BEFORE_QUIESCE
            sweep();
#endif
#ifndef MUTANT_NO_QUIESCE
            at = mem[BUSY];
            if
            :: at == 0 -> quiet = true
            :: at == 1 -> /* or it has left that call and is in the next: it has seen the epoch then */
                if
                :: mem[BUSY] == 0 -> quiet = true
                :: publisherDead && drained -> quiet = true
                :: !giveUp -> giveUp = true; quiet = false
                fi
            fi;
#else
            quiet = true;
#endif
#ifdef MUTANT_SWEEP_AFTER_OFF
            atomic { used = false; portOff = true };
            sweep();
            break
#else
#ifndef MUTANT_SWEEP_BEFORE_QUIESCE
            sweep();
#endif
#ifdef MUTANT_FREE_AFTER_GIVING_UP
            quiet = true;
#endif
            if
            :: quiet -> used = false; portOff = true; break
            :: else
            fi
#endif
        od;
        quiet = false; at = 0;
endDone:
        false
    } unless { atomic { dieRecoverer?1 -> quiet = false; at = 0; goto again } }
}

/* The newcomer: addPort(), makePair(), connect(), then its life as a subscriber. */
active proctype Two()
{
    byte s, c, i;
end:
    portOff;
    atomic { /* the new block: empty, and whatever is stored there for the old pair is an error from now on */
        blockPair = 2;
        i = 1;
        do
        :: i <= N -> mem[SLOT(i)] = 0; returned[i] = 0; i++
        :: else -> i = 0; break
        od;
        mem[JOIN] = WANTS
    };
    used = false; gone = false;
    incarnation++;
    used = true;
    epoch++;
endJoin:
    atomic { mem[JOIN] != WANTS -> s = mem[JOIN] };
endTake:
    do
    :: atomic { s <= N && mem[SLOT(s)] != 0 -> c = mem[SLOT(s)] - 1 };
        assert(content[c] == s && (mem[WORD(c)] & BIT));
        atomic { assert(content[c] == s && (mem[WORD(c)] & BIT)); returned[s] = c + 1; s++; c = 0 }
    :: s > N -> break
    od
}

active proctype Killer()
{
end:
    if
    :: dieOne!1
#ifdef KILL_PUBLISHER
    :: diePublisher!1; dieOne!1
    :: dieOne!1; diePublisher!1
#endif
    fi;
end2:
    dieRecoverer!1
}

init
{
    atomic {
        used = true; incarnation = 1;
        mem[WORD(0)] = OWN; mem[WORD(1)] = OWN;
        run Publisher();
        run One()
    };
    timeout;
    assert(portOff && (publisherDead || idle));
    flush = true;
    timeout;
    assert(publisherDead || !idle);
    assert(publisherDead || (mem[WORD(0)] == OWN && mem[WORD(1)] == OWN));
    /* A dead publisher's recovery settles the pairs that it still has; a bit of another pair would stay. */
    assert(!publisherDead || SETTLED(0));
    assert(!publisherDead || SETTLED(1))
}
