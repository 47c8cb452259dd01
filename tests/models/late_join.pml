/*
 * Late join of a transient-local topic: the history of a publisher, and the joiner bits that protect what a newcomer
 * reads of it. The product has it in core's history.hpp, chunk_manager.hpp and holders.cpp, PoolSet::makeHistory,
 * publisher_history.cpp, subscriber_history.cpp and recovery.
 *
 * Shared memory, beside what a volatile topic has
 *
 *   per publisher   history[depth]   entry (sequence, chunk) as in a slot; message x stands in history[x % depth]
 *                   historyNext      one more than the last sequence that stands there; starts at the first sequence
 *   per chunk       joiner words     generation 18 | bits 46, as many as holder words. Same bit as in the holder words.
 *                                    Changed by atomic read-modify-write only. Outside of a history: bits 0.
 *
 * Invariants
 *
 *   I1  A joiner bit is set only while its chunk stands in the history, or was there when the bit's generation was
 *       read.
 *   I2  Whoever lets a chunk go that may have been in a history seals its joiner words first, after it has left the
 *       history: {generation, 0} -> {generation + 1, 0} by compare-exchange. A word with a bit in it is not sealed: the
 *       chunk stays where it is until the joiner has cleared its bit.
 *   I3  No store-load fence is needed for that: joiner and publisher meet in one word. Generations keep a joiner that
 *       was stopped from setting its bit in a chunk that has become another topic's, where the bit means another port.
 *
 * Publisher (transient local)
 *
 *   publish(chunk):
 *       enter()                                      epoch moved: onEpoch(), as before: floor = join = sequence
 *       tag; holder words |= receivers; slots        as before. No connection: no slot, but the rest all the same
 *       history[sequence % depth] = entry            release. The entry `sequence - depth` has left the history
 *       historyNext = sequence + 1                   release
 *       start flight of chunk                        the chunk that has left the history: in flight as before
 *       fence as for m_sleep (compiler only, if registered for membarrier)
 *       if epoch moved: onEpoch(): floor = join = sequence + 1 for who came during this call
 *       wake who sleeps, newcomers included
 *   reusable(chunk) in collect(), scan(), dropGoneSubscribers(), returned():
 *       not while it stands in the history           a flag in the publisher's books
 *       every holder word shows own bit alone        acquire loads, as before
 *       for every joiner word w:
 *           v = w (acquire); if bits(v) != 0: no
 *           if !cas(w, v, {generation(v) + 1, 0}) (seq_cst): no          once more at the next scan
 *       yes: keep(chunk)
 *   A volatile publisher never looks at joiner words.
 *   Budget: flights up to max(depth of history, depths of queues), and min(depth, own depth) more per subscriber.
 *
 * Subscriber (transient local), per publisher that it finds with join = kWantsToJoin or a sequence
 *
 *   join:                                            after connect() has made the pair and moved the epoch
 *       barrierEverywhere()                          a publish that began with the old epoch has stored its history
 *                                                    entry by now, or will see the new epoch at its end
 *       n = historyNext (acquire); J = m_join (acquire)
 *       if pair's m_state (acquire) has PublisherGone: no history, its memory may be somebody else's
 *       if J is a sequence and J < n: n = J          from J on everything comes through the queue
 *       for x = n - 1 down to max(first, n - min(depths)): if !pin(x): stop      the oldest go first: so has the rest
 *       next = the oldest that is pinned, or n       first message that this subscriber will have
 *   pin(x):
 *       e = history[x % depth] (acquire); if sequence(e) != x: no
 *       c = chunk(e), checked against the pool
 *       do
 *           v = joinerWord(c) (acquire)
 *           if history[x % depth] (acquire) != e: no                     the generation was read while x stood there
 *           if pair's m_state (acquire) has PublisherGone: no            the history's memory may be somebody else's
 *       while !cas(joinerWord(c), v, v | own bit) (seq_cst)
 *       if publication of c (acquire) != tag(publisher, x):              a generation that wrapped: 2^18 reuses of c
 *           release(c); no                                               while we stood between two instructions
 *       yes
 *   take:                                            in this order, so sequences only grow
 *       pinned messages, oldest first
 *       then nothing until J = m_join (acquire) is a sequence
 *       then for x = next .. J - 1 (at most one): pin(x), or count it as missed
 *       then the queue from J on, as before: announce(J) ...
 *       A publisher that is gone before it acknowledged: recovery has set m_join, see below.
 *   release of a pinned message:
 *       joinerWord(c) fetch_and ~own bit (seq_cst); then adopt(c), which does nothing while the publisher lives
 *
 * adopt(c), wherever a last bit may have been taken (drop(), release, recovery's freeOrphans()); always in two steps,
 * also where there is one holder word, since the exchange that takes the last holder bit does not see joiner words:
 *       v = word 0; InUse, no bits; no bits in the other holder words      the owner's bit is gone, so PublisherGone is
 *                                                                              set and the history closed
 *       seal every joiner word as above; a bit in one: no                      whoever clears that bit adopts
 *       cas(word 0, v, Freeing(me)); then putBack()
 *
 * Recovery of a publisher, or its leaving: after settleDeliveries(), per pair and before PublisherGone is set:
 *       if m_join == kWantsToJoin: floor = historyNext; m_join = historyNext (release)
 *   PublisherGone before sweepOwnBit(), as it is. The history's memory is given away only after that: see
 *   dropHistory().
 * Recovery of a subscriber, or its leaving: beside its holder bits its joiner bits, in chunks whose owner is of its
 * topic
 *   (v = joiner word, owner == topic, cas(v & ~bit)), and adopt().
 *
 * Modelled: one publisher of N messages with a history of DEPTH and CHUNKS chunks, which it pops from and pushes to the
 * shared list, one joiner that comes at any time, and a publisher of another topic that uses the same chunks and whose
 * own joiner has the same bit. x86-TSO store buffer of depth 2 for the publisher. Publisher and joiner are killed at
 * any step, none, one, or both; the recoverer is killed once at any step and its work repeated. Once dropHistory() has
 * given the history's memory away, the other topic writes on it. In the end the publisher leaves and the list must be
 * complete.
 *
 * Left out: evictions of the queue and the return ring (ownership.pml: here the queue is as deep as the run, and the
 * joiner clears its holder bit itself), the free list (free_list.pml: pop and push are one step), the grace period of
 * retiring (epochs.pml: m_busy is waited for), sleeping (sleep_wake.pml), more than one joiner word, the wrap of
 * generations, weak memory beyond TSO.
 *
 * Mirrors: PublisherPort::publish, onEpoch, findNewSubscribers, dropGoneSubscribers, scan; SubscriberPort::poll,
 * isDrained; holders::pop, adopt, putBack; recovery's retirePublisher, retireSubscriber, settleDelivery,
 * freeOrphans; PublisherPort::remember, meetNewcomers; SubscriberPort::joinHistory, pin, nextOfHistory, dropPin;
 * holders::sealJoiners; recovery's settleJoin, dropHistory, sweepPins.
 *
 * run: -DKILL=0
 * run: -DKILL=1 -DN=3
 * run: -DKILL=1 -DN=3 -DDEPTH=1
 * run: -DKILL=2 -DN=3
 * run: -DKILL=2 -DN=3 -DDEPTH=1
 * run: -DKILL=3 -DN=2
 * mutant: -DMUTANT_ADOPT_IGNORES_JOINERS -DKILL=1 -DN=3
 * mutant: -DMUTANT_GONE_AFTER_SWEEP -DKILL=1 -DN=3
 * mutant: -DMUTANT_HISTORY_BEYOND_JOIN
 * mutant: -DMUTANT_NO_ACKNOWLEDGEMENT -DKILL=1 -DN=3
 * mutant: -DMUTANT_NO_BARRIER
 * mutant: -DMUTANT_NO_GENERATION
 * mutant: -DMUTANT_NO_GONE_CHECK -DKILL=1 -DN=3
 * mutant: -DMUTANT_NO_GONE_CHECK_AT_JOIN -DKILL=1 -DN=3
 * mutant: -DMUTANT_NO_JOINER_SWEEP -DKILL=2 -DN=3
 * mutant: -DMUTANT_NO_SEAL
 * mutant: -DMUTANT_NO_SECOND_LOOK
 * mutant: -DMUTANT_NO_VALIDATION
 * mutant: -DMUTANT_REUSE_IN_HISTORY
 * mutant: -DMUTANT_SWEEP_ANY_TOPIC -DKILL=2 -DN=3
 */

#ifndef N
#define N 4
#endif
#ifndef DEPTH
#define DEPTH 2
#endif
#ifdef MUTANT_NO_GONE_CHECK_AT_JOIN
#define GONE_AT_JOIN false
#else
#define GONE_AT_JOIN pubGone
#endif
#define CHUNKS 3
#ifndef ROUNDS
#define ROUNDS 1 /* times that the other topic has a chunk */
#endif

/* Words that the publisher stores plainly, through its store buffer. */
#define HIST(x) ((x) % DEPTH)
#define HNEXT DEPTH
#define JOIN (DEPTH + 1)
#define SLOT(x) (DEPTH + 1 + (x))
#define WORD(c) (DEPTH + N + 2 + (c))
#define CELLS (DEPTH + N + 2 + CHUNKS)

#define WANTS 255
#define ENTRY(x, c) ((x) * 4 + (c) + 1)
#define SEQ(e) (((e) - 1) / 4)
#define CHUNK(e) (((e) - 1) % 4)

/* Holder word: publisher, subscriber, publisher of the other topic; InUse. 0 is Free. */
#define OWN 1
#define SUB 2
#define OTHER 4
#define BITS 7
#define INUSE 8

#define FOREIGN 100

byte mem[CELLS];
byte ba[2], bv[2], bn; /* the publisher's store buffer */

bool listed[CHUNKS];  /* in the free list */
byte owner[CHUNKS];   /* OWN or OTHER: the topic that the bits belong to */
byte content[CHUNKS]; /* payload: the sequence, or FOREIGN */
bool jbit[CHUNKS];    /* joiner word: the bit */
/*
 * Generations grow without bound. All that matters is whether one has moved since somebody read it, so only that is
 * kept: the chunk whose word it was, plus one, until the generation moves.
 */
byte joinerRead;      /* the joiner, of a joiner word */
byte adopterRead[2];  /* joiner and recoverer, of holder words */
#define NEW_JOINER_GENERATION(c) if :: joinerRead == (c) + 1 -> joinerRead = 0 :: else fi
#define NEW_GENERATION(c) if :: adopterRead[0] == (c) + 1 -> adopterRead[0] = 0 :: else fi; \
    if :: adopterRead[1] == (c) + 1 -> adopterRead[1] = 0 :: else fi
#define GIVE_BACK(c) mem[WORD(c)] = 0; listed[c] = true; content[c] = 0; owner[c] = 0

byte epoch;
chan diePub = [0] of { bit }; /* a death takes effect in one step with whatever the killer does */
chan dieSub = [0] of { bit };
bool pairMade, pubGone, subGone;
bool deadPub, deadSub, pubOff, subOff;
bool pubBusy, pubIdle, subIdle, lock;
bool leave;         /* all is quiet: the publisher leaves */
byte subNext;       /* the joiner's next sequence, 0: not joined */
byte finalNext;     /* historyNext when its memory was given away, 0: not yet */
byte recoverKilled; /* 0: not yet, 1: now, 2: was */

#define load(a, v) d_step { \
    if \
    :: bn == 2 && ba[1] == (a) -> v = bv[1] \
    :: bn >= 1 && ba[0] == (a) && !(bn == 2 && ba[1] == (a)) -> v = bv[0] \
    :: else -> v = mem[a] \
    fi }
#ifndef BUFFERED
#define BUFFERED 2
#endif
#define store(a, v) atomic { bn < BUFFERED -> ba[bn] = (a); bv[bn] = (v); bn++ }
#define drained (bn == 0)

/* For the publisher. A load of a word that it has just marked gives what stands in its buffer: hence `drained`. */
#define LISTED(k) (listed[k])
#define IN_HISTORY(k) ((hist[0] && CHUNK(hist[0]) == k) || (hist[DEPTH - 1] && CHUNK(hist[DEPTH - 1]) == k))
#ifdef MUTANT_REUSE_IN_HISTORY
#define REUSABLE(k) (flying[k] && mem[WORD(k)] == (INUSE | OWN) && !jbit[k])
#else
#define REUSABLE(k) (flying[k] && !IN_HISTORY(k) && mem[WORD(k)] == (INUSE | OWN) && !jbit[k])
#endif
#define ANY(what) (what(0) || what(1) || what(2))
#define PICK(what, k) if :: what(0) -> k = 0 :: what(1) -> k = 1 :: what(2) -> k = 2 fi

active proctype Buffer()
{
end:
    do
    :: d_step {
        bn > 0 ->
        mem[ba[0]] = bv[0];
        ba[0] = ba[1]; bv[0] = bv[1];
        ba[1] = 0; bv[1] = 0;
        bn-- }
    od
}

/* The chunk goes to the free list if nobody holds it; see adopt() above. */
inline adopt(c, who)
{
    if
    :: atomic { mem[WORD(c)] == INUSE -> adopterRead[who] = (c) + 1 };
        atomic {
            if
#ifndef MUTANT_ADOPT_IGNORES_JOINERS
            :: jbit[c] -> adopterRead[who] = 0
#endif
            :: else -> NEW_JOINER_GENERATION(c)
            fi
        };
        atomic {
            if
            :: adopterRead[who] == (c) + 1 && mem[WORD(c)] == INUSE -> GIVE_BACK(c)
            :: else
            fi;
            adopterRead[who] = 0
        }
    :: atomic { mem[WORD(c)] != INUSE }
    fi
}

/* Acts on a moved epoch; `first` is the next sequence. */
inline onEpoch(first)
{
    if
    :: connected && subGone ->
        atomic {
            connected = false; i = 0; drained;
            do
            :: i < CHUNKS ->
                if
                :: flying[i] -> mem[WORD(i)] = mem[WORD(i)] & ~SUB
                :: else
                fi;
                i++
            :: else -> i = 0; break
            od
        }
    :: !connected && pairMade && !subGone ->
        load(JOIN, join);
        if
        :: join == WANTS -> connected = true; store(JOIN, first)
        :: else
        fi;
        join = 0
    :: else
    fi;
    look = false
}

proctype Publisher()
{
    byte s = 1, c, i, my, join, hist[DEPTH];
    bool connected, look, flying[CHUNKS];
    {
        do
        :: s <= N ->
            /* loan */
            do
            :: atomic {
                drained && ANY(LISTED) -> /* the exchange of the list's head */
                PICK(LISTED, c);
                listed[c] = false; owner[c] = OWN; NEW_GENERATION(c); mem[WORD(c)] = INUSE | OWN;
                break }
            :: atomic { /* scan(): seal, then give back. Other outcomes change nothing. */
                drained && ANY(REUSABLE) ->
                PICK(REUSABLE, i);
#ifndef MUTANT_NO_SEAL
                NEW_JOINER_GENERATION(i)
#endif
                };
                atomic { flying[i] = false; GIVE_BACK(i); i = 0 }
            od;
            /* publish */
            atomic {
                content[c] = s; pubBusy = true;
                if
                :: epoch != my -> my = epoch; look = true
                :: else
                fi
            };
            if
            :: look -> onEpoch(s)
            :: else
            fi;
            if
            :: connected ->
                store(WORD(c), INUSE | OWN | SUB);
                store(SLOT(s), ENTRY(s, c))
            :: else
            fi;
            atomic { store(HIST(s), ENTRY(s, c)); hist[HIST(s)] = ENTRY(s, c); flying[c] = true };
            atomic { store(HNEXT, s + 1); s++; c = 0 };
#ifndef MUTANT_NO_SECOND_LOOK
            atomic {
                if
                :: epoch != my -> my = epoch; look = true
                :: else
                fi
            };
            if
            :: look -> onEpoch(s)
            :: else
            fi;
#endif
            pubBusy = false
        :: else -> break
        od;
        pubIdle = true;
        false
    } unless { atomic {
        diePub?1 -> /* what a dead process had for itself matters no more; the rest of its buffer drains */
        deadPub = true;
        s = 0; c = 0; i = 0; my = 0; pubBusy = false; epoch = 0; join = 0; connected = false; look = false;
        do
        :: i < CHUNKS -> flying[i] = false; i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < DEPTH -> hist[i] = 0; i++
        :: else -> break
        od;
        i = 0 }
    }
}

/* ok = whether message x is protected by our joiner bit now. */
inline pin(x)
{
    e = mem[HIST(x)]; ok = false;
    if
    :: e != 0 && SEQ(e) == (x) ->
        c = CHUNK(e);
        do
        :: joinerRead = c + 1;
#ifndef MUTANT_NO_VALIDATION
            if
            :: mem[HIST(x)] != e -> break
            :: else
            fi;
#endif
#ifndef MUTANT_NO_GONE_CHECK
            if
            :: pubGone -> break
            :: else
            fi;
#endif
            atomic {
                if
#ifdef MUTANT_NO_GENERATION
                :: true -> jbit[c] = true; ok = true; break
#else
                :: joinerRead == c + 1 -> assert(!jbit[c]); jbit[c] = true; ok = true; break
#endif
                :: else
                fi
            }
        od;
#ifdef MUTANT_NO_GENERATION
        /* the bit first, then the slot */
        if
        :: ok && (mem[HIST(x)] != e || pubGone) -> ok = false; jbit[c] = false
        :: else
        fi;
#endif
        joinerRead = 0
    :: else
    fi
}

inline unpin(x)
{
    atomic { c = CHUNK(e); assert(content[c] == (x) && jbit[c]); jbit[c] = false };
    adopt(c, 0)
}

proctype Joiner()
{
    byte n, x, J, c, e, i, pinned[DEPTH];
    bool ok;
end:
    /* connect(), under the control lock; perhaps never */
    atomic { !lock && !deadPub && !deadSub -> pairMade = true; mem[JOIN] = WANTS; epoch++ };
    {
#ifndef MUTANT_NO_BARRIER
        drained;
#endif
        n = mem[HNEXT];
        J = mem[JOIN];
        atomic {
            if
#ifndef MUTANT_NO_GONE_CHECK_AT_JOIN
            :: pubGone -> n = mem[JOIN] /* what was read may be somebody else's: the queue is all there is */
#endif
#ifndef MUTANT_HISTORY_BEYOND_JOIN
            :: !GONE_AT_JOIN && J != WANTS && J < n -> n = J
#endif
            :: else
            fi;
            J = 0; x = n
        };
        do
        :: x > 1 && x + DEPTH > n -> /* pin() says no if the publisher is gone */
            pin(x - 1);
            atomic {
                if
                :: ok -> x--; pinned[HIST(x)] = e; e = 0; c = 0; ok = false
                :: else -> e = 0; c = 0; break
                fi
            }
        :: else -> break
        od;
        /* Of the last DEPTH messages now, none that is older than what we start with. */
        atomic {
            i = 0;
            do
            :: i < DEPTH ->
                assert(pubGone || mem[i] == 0 || SEQ(mem[i]) >= x || SEQ(mem[i]) + DEPTH <= mem[HNEXT]);
                i++
            :: else -> break
            od;
            i = 0
        };
        subNext = x;
        do
        :: x < n ->
            e = pinned[HIST(x)];
            unpin(x);
            atomic { pinned[HIST(x)] = 0; e = 0; c = 0; x++; subNext = x }
        :: else -> break
        od;
        /* acknowledged by the publisher, or by who retired it */
        atomic { mem[JOIN] != WANTS -> J = mem[JOIN] };
        assert(J <= n + 1); /* nothing but the publish that was under way can have come between */
        do
        :: x < J ->
            pin(x);
            if
            :: ok -> unpin(x)
            :: else -> assert(pubGone || SEQ(mem[HIST(x)]) > x) /* missed, and counted */
            fi;
            atomic { e = 0; c = 0; ok = false; x++; subNext = x }
        :: else -> break
        od;
        assert(x == J); /* nothing twice */
        do
        :: atomic { x <= N && mem[SLOT(x)] != 0 -> e = mem[SLOT(x)]; c = CHUNK(e) };
            assert(SEQ(e) == x);
            atomic { assert(content[c] == x && (mem[WORD(c)] & SUB)); mem[WORD(c)] = mem[WORD(c)] & ~SUB;
                mem[SLOT(x)] = 0 }; /* nobody looks at it again */
            adopt(c, 0);
            atomic { e = 0; c = 0; x++; subNext = x }
        :: atomic { pubGone && (x > N || mem[SLOT(x)] == 0) -> break }
        od;
        subIdle = true
    } unless { atomic {
        dieSub?1 ->
        deadSub = true;
        n = 0; x = 0; J = 0; c = 0; e = 0; ok = false; i = 0; joinerRead = 0; adopterRead[0] = 0;
        do
        :: i < DEPTH -> pinned[i] = 0; i++
        :: else -> break
        od;
        i = 0 }
    }
}

/* A publisher of another topic and its joiner, whose bit is the same one. */
active proctype Foreigner()
{
    byte c, k;
    do
    :: k < ROUNDS ->
        atomic {
            ANY(LISTED) || leave ->
            if
            :: ANY(LISTED) -> PICK(LISTED, c)
            :: leave -> break
            fi;
            listed[c] = false; owner[c] = OTHER; NEW_GENERATION(c); mem[WORD(c)] = INUSE | OTHER; content[c] = FOREIGN;
            if
            :: finalNext != 0 -> /* the memory of the history is ours now */
                mem[HNEXT] = 1;
                mem[HIST(finalNext)] = ENTRY(finalNext, c);
                if
                :: mem[HIST(finalNext + 1)] = ENTRY(finalNext - 1, c)
                :: mem[HIST(finalNext + 1)] = ENTRY(finalNext + 1, c)
                fi
            :: else
            fi
        };
        if
        :: atomic { !jbit[c] -> jbit[c] = true };
            atomic { assert(content[c] == FOREIGN && jbit[c]); jbit[c] = false } /* nobody else may clear it */
        :: skip
        fi;
        atomic { !jbit[c] -> NEW_JOINER_GENERATION(c); GIVE_BACK(c); c = 0; k++ }
    :: else -> break
    od
}

/* Chunks that nobody holds. */
#ifdef MUTANT_ADOPT_IGNORES_JOINERS
#define ORPHAN(k) (mem[WORD(k)] == INUSE)
#else
#define ORPHAN(k) (mem[WORD(k)] == INUSE && !jbit[k]) /* with a bit: nothing happens to it here */
#endif
inline adoptAll()
{
    do
    :: atomic { ANY(ORPHAN) -> PICK(ORPHAN, i) }; adopt(i, 1)
    :: atomic { !ANY(ORPHAN) -> i = 0; break }
    od
}

inline retirePublisher()
{
    atomic { /* settleDeliveries: marked for the subscriber, but never in its slot */
        i = 0;
        do
        :: i < CHUNKS ->
            if
            :: (mem[WORD(i)] & (OWN | SUB)) == (OWN | SUB) && mem[SLOT(content[i])] == 0 ->
                mem[WORD(i)] = mem[WORD(i)] & ~SUB
            :: else
            fi;
            i++
        :: else -> i = 0; break
        od
    };
#ifndef MUTANT_NO_ACKNOWLEDGEMENT
    if
    :: pairMade && !pubGone && mem[JOIN] == WANTS -> mem[JOIN] = mem[HNEXT]
    :: else
    fi;
#endif
#ifndef MUTANT_GONE_AFTER_SWEEP
    pubGone = true;
#endif
    atomic { /* sweepOwnBit */
        do
        :: i < CHUNKS ->
            if
            :: owner[i] == OWN -> mem[WORD(i)] = mem[WORD(i)] & ~OWN
            :: else
            fi;
            i++
        :: else -> i = 0; break
        od
    };
    adoptAll();
#ifdef MUTANT_GONE_AFTER_SWEEP
    pubGone = true;
#endif
    atomic { /* the history's record is free, so its memory may be given away */
        if
        :: finalNext == 0 -> finalNext = mem[HNEXT]
        :: else
        fi
    };
    pubOff = true /* the epoch moves; who looks at it here is dead */
}

inline retireSubscriber()
{
    atomic { subGone = true; i = 0 };
    epoch++;
    atomic { drained && (!pubBusy || deadPub) };
    atomic { /* per joiner word: read, read owner, exchange; the generation binds them */
        do
        :: i < CHUNKS ->
            if
            :: owner[i] == OWN -> mem[WORD(i)] = mem[WORD(i)] & ~SUB
            :: else
            fi;
            if
#ifdef MUTANT_SWEEP_ANY_TOPIC
            :: true -> jbit[i] = false
#elif !defined(MUTANT_NO_JOINER_SWEEP)
            :: owner[i] == OWN -> jbit[i] = false
#endif
            :: else
            fi;
            i++
        :: else -> i = 0; break
        od
    };
    adoptAll();
    subOff = true
}

/* Whoever notices a death. Dies itself once at any step; then somebody else begins again. */
active proctype Recoverer()
{
    byte i;
again:
    {
        do
        :: atomic { deadPub && !pubOff && bn == 0 && !lock -> lock = true }; retirePublisher(); lock = false
        :: atomic { deadSub && !subOff && !lock -> lock = true }; retireSubscriber(); lock = false
        :: atomic { deadPub && pubOff && (!deadSub || subOff) && leave -> break }
        od
    } unless { atomic { recoverKilled == 1 -> recoverKilled = 2; lock = false; i = 0; adopterRead[1] = 0; goto again } }
}

/* KILL: 0 nobody, 1 the publisher, 2 the joiner, 3 both in any order */
#ifndef KILL
#define KILL 0
#endif
#ifndef RECOVERER_KILLED
#define RECOVERER_KILLED 1
#endif
active proctype Killer()
{
#if KILL == 1
end1:
    diePub!1;
#elif KILL == 2
end2:
    dieSub!1;
#elif KILL == 3
end3:
    if
    :: diePub!1; end4: dieSub!1
    :: dieSub!1; end5: diePub!1
    fi;
#endif
end:
    atomic { lock && recoverKilled == 0 && KILL > 0 && RECOVERER_KILLED -> recoverKilled = 1 };
}

init
{
    byte i;
    atomic {
        mem[HNEXT] = 1;
        do
        :: i < CHUNKS -> listed[i] = true; i++
        :: else -> break
        od;
        i = 0;
        run Publisher();
        run Joiner()
    };
    /* Quiet: the publisher is idle for ever and the joiner has all that was published, but for what it counted. */
    timeout;
    assert(deadPub || pubIdle);
    assert(deadPub || deadSub || subNext == N + 1);
    leave = true;
    if
    :: !deadPub -> diePub!1
    :: else
    fi;
    timeout;
    assert(pubOff && (subOff || subIdle || !pairMade));
    assert(deadSub || subNext == 0 || subNext >= finalNext);
    do
    :: i < CHUNKS -> assert(listed[i] && mem[WORD(i)] == 0 && !jbit[i]); i++
    :: else -> break
    od
}
