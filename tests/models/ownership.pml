/*
 * Ownership of chunks by holder bits: publish, evict by announced position, take, release through the return ring or by
 * taking one's own bit, collect, and what recovery does about each of them.
 *
 * Modelled: one publisher of N messages, two subscribers whose bits are in different holder words (K = 2), queues of
 * depth 1 in two slots, return rings of one entry (so that they are full often), three chunks. ONLY=0, ONLY=1: that
 * subscriber alone, in the publisher's holder word or in the other one. The publisher's plain stores go through a store
 * buffer of depth 2 (BUFFERED), a subscriber's store into its return ring through one of depth 1 (x86-TSO); exchanges
 * and fences of their owner wait for them. KILL: 0 nobody, 1 the publisher, 2 subscriber 0, 3 subscriber 1, at any
 * step, 4 the publisher and subscriber 0, in any order; RECOVERER_KILLED: the recoverer too, once, at any step, and
 * another begins again. OTHER_ROUNDS: once the publisher is gone, another publisher of the topic delivers freed chunks
 * to subscriber 0, whose bit must stand until it is done. LAZY: a subscriber may look for the last time after any of
 * its releases. In the end the publisher leaves and the list must be complete.
 * Properties: what a subscriber reads does not change while it has it and its bit stands; it takes what comes in order
 * and gets to the last message, each one taken or counted as missed; in the end every chunk is free, but for those that
 * wait in the queue of somebody who looks no more.
 * Left out: joining (the connections are there; late_join.pml), pair and port reuse (epochs.pml), the free list
 * (free_list.pml: pop and push are one step), the trim of a large stash, loans that are dropped, takeLatest(), two
 * samples held at once, samples that other threads drop, the short way of takeBack() with one holder word, weak memory
 * beyond TSO. Generations: an exchange fails if the word has been written since it was read, which is what they are
 * for.
 *
 * Mirrors: PublisherPort::publish, markReceivers, setReceiverSlots, makeRoom, returned, collect, applyReturns, keep,
 * scan, dropGoneSubscribers; SubscriberPort::poll, skipLost, giveBack, dropOwnBit, release, noticeGonePublishers,
 * isDrained; holders::pop, drop, adopt, heldOnlyBy; recovery's retirePublisher, settleDeliveries, settleFloor,
 * settleReturns, sweepOwnBit, freeOrphans, retireSubscriber.
 *
 * run: -DN=4 -DONLY=0
 * run: -DN=4 -DONLY=1
 * run: -DN=2 -DBUFFERED=1
 * run: -DKILL=1 -DN=3 -DONLY=0
 * run: -DKILL=1 -DN=3 -DONLY=1
 * run: -DKILL=1 -DN=3 -DONLY=0 -DRECOVERER_KILLED
 * run: -DKILL=1 -DN=3 -DONLY=0 -DLAZY
 * run: -DKILL=1 -DN=2 -DONLY=0 -DOTHER_ROUNDS=1
 * run: -DKILL=1 -DN=1
 * run: -DKILL=2 -DN=3 -DONLY=0 -DRECOVERER_KILLED
 * run: -DKILL=3 -DN=3 -DONLY=1 -DRECOVERER_KILLED
 * run: -DKILL=4 -DN=2 -DONLY=0 -DRECOVERER_KILLED
 * run: -DKILL=4 -DN=1
 * mutant: -DMUTANT_NO_FENCE -DN=3 -DONLY=0
 * mutant: -DMUTANT_NO_DOUBT -DN=3 -DONLY=0
 * mutant: -DMUTANT_ANNOUNCE_LATE -DN=3 -DONLY=0
 * mutant: -DMUTANT_FLOOR_FIRST -DN=3 -DONLY=0
 * mutant: -DMUTANT_SLOTS_BEFORE_BITS -DN=2 -DONLY=0
 * mutant: -DMUTANT_BITS_BEFORE_TAG -DKILL=1 -DN=2 -DONLY=0
 * mutant: -DMUTANT_HEAD_BEFORE_BITS -DKILL=1 -DN=3 -DONLY=0 -DLAZY
 * mutant: -DMUTANT_NO_SETTLING -DKILL=1 -DN=2 -DONLY=0
 * mutant: -DMUTANT_SWEEP_FIRST -DKILL=1 -DN=2 -DONLY=0
 * mutant: -DMUTANT_NO_VERDICTS -DKILL=1 -DN=2 -DONLY=0
 * mutant: -DMUTANT_NO_ORPHANS -DKILL=1 -DN=2 -DONLY=0
 * mutant: -DMUTANT_ADOPT_ONE_WORD -DKILL=1 -DN=1
 * mutant: -DMUTANT_NO_TAG_CHECK -DKILL=1 -DN=2 -DONLY=0 -DOTHER_ROUNDS=1
 * mutant: -DMUTANT_NO_OWN_RETURNS -DKILL=1 -DN=2 -DONLY=0
 * mutant: -DMUTANT_NO_LATE_RETURNS -DKILL=1 -DN=2 -DONLY=0 -DLAZY
 * mutant: -DMUTANT_NO_GENERATION -DKILL=1 -DN=2 -DONLY=0 -DOTHER_ROUNDS=1
 */

#ifndef N
#define N 3
#endif
#ifndef KILL
#define KILL 0
#endif
#ifndef BUFFERED
#define BUFFERED 2
#endif
#ifndef RECOVERER_KILLED
#define RECOVERER_KILLED 0
#endif
#ifndef OTHER_ROUNDS
#define OTHER_ROUNDS 0
#endif
#define CHUNKS 3
#define DEPTH 1
#ifndef ONLY
#define HAS0 true
#define HAS1 true
#else
#define HAS0 (ONLY == 0)
#define HAS1 (ONLY == 1)
#endif

/* Word x of a chunk: own bit (word 0), the bit of subscriber x, the bit of another publisher; InUse (word 0). */
#define OWN 1
#define BIT 2
#define INUSE 4
#define OTHER 8
#define BITS (OWN | BIT | OTHER)

/* Words that the publisher stores plainly, or whoever acts for it. */
#define WORD(c, x) (2 * (c) + (x))
#define TAG(c) (6 + (c))
#define SLOT(i, s) (9 + 2 * (i) + (s) % 2)
#define FLOOR(i) (13 + (i))
#define DOUBT(i) (15 + (i))
#define HEAD(i) (17 + (i))
#define CELLS 19

#define ENTRY(s, c) (1 + (s) * 4 + (c))
#define MARK(s) (1 + (s) * 4 + 3)
#define SEQ(e) (((e) - 1) / 4)
#define CHUNK(e) (((e) - 1) % 4)
#define ISMARK(e) (CHUNK(e) == 3)
#define PARITY(k) ((k) % 2 == 0 -> 128 : 0)
#define ISRETURN(v, k) ((v) != 0 && ((v) & 128) == PARITY(k))
#define FOREIGN 100

byte mem[CELLS];
byte ba[2], bv[2], bn; /* the publisher's store buffer */
byte ring[2];          /* return rings of one entry */
byte rb[2];            /* a return that stands in its subscriber's store buffer */
byte position[2];      /* announced by the subscribers */
byte content[CHUNKS];  /* payload */
bool listed[CHUNKS];

byte epoch;
bool pubGone[2], subGone[2];
bool deadPub, pubOff, deadSub[2], subOff[2];
bool busy, pubIdle, subIdle[2], lock;
bool stopped[2]; /* looks no more */
byte subNext[2];
byte linked[3]; /* the word (plus one) that subscriber 0, 1, or the recoverer has read and not seen changed */
chan diePub = [0] of { bit };
chan dieSub[2] = [0] of { bit };
chan dieRecoverer = [0] of { bit };

#define drained (bn == 0)
#define store(a, v) atomic { bn < BUFFERED -> ba[bn] = a; bv[bn] = v; bn++ }
#define load(a, v) \
    if \
    :: bn == 2 && ba[1] == (a) -> v = bv[1] \
    :: !(bn == 2 && ba[1] == (a)) && bn >= 1 && ba[0] == (a) -> v = bv[0] \
    :: else -> v = mem[a] \
    fi
#define FORWARDED(a) (bn == 2 && ba[1] == (a) -> bv[1] : (bn >= 1 && ba[0] == (a) -> bv[0] : mem[a]))

#ifdef MUTANT_NO_GENERATION
#define written(a) skip
#else
#define written(a) \
    if :: linked[0] == (a) + 1 -> linked[0] = 0 :: else fi; \
    if :: linked[1] == (a) + 1 -> linked[1] = 0 :: else fi; \
    if :: linked[2] == (a) + 1 -> linked[2] = 0 :: else fi
#endif

active proctype Buffers()
{
end:
    do
    :: d_step {
        bn > 0 ->
        written(ba[0]);
        mem[ba[0]] = bv[0];
        ba[0] = ba[1]; bv[0] = bv[1];
        ba[1] = 0; bv[1] = 0;
        bn-- }
    :: d_step { rb[0] != 0 -> ring[0] = rb[0]; rb[0] = 0 }
    :: d_step { rb[1] != 0 -> ring[1] = rb[1]; rb[1] = 0 }
    od
}

/*
 * Word 0 was read as InUse without bits: the chunk goes to the free list if the other word has none either and word 0
 * has not changed.
 */
#define HELDBYNONE(c) ((mem[WORD(c, 0)] & (BITS | INUSE)) == INUSE)
inline adopt(c, who)
{
    atomic {
        if
#ifdef MUTANT_ADOPT_ONE_WORD
        :: linked[who] == WORD(c, 0) + 1 && HELDBYNONE(c) ->
#else
        :: linked[who] == WORD(c, 0) + 1 && HELDBYNONE(c) && (mem[WORD(c, 1)] & BITS) == 0 ->
#endif
            written(WORD(c, 0));
            mem[WORD(c, 0)] = 0; content[c] = 0; /* the tag stays until somebody pops it */
            assert(!listed[c]);
            listed[c] = true
        :: else
        fi;
        linked[who] = 0; taken = false
    }
}

/* Takes bit b of word x, if the chunk's last publication is `tag`. */
inline drop(c, x, b, tag, who)
{
    do
    :: atomic {
        if
#ifdef MUTANT_NO_TAG_CHECK
        :: (mem[WORD(c, x)] & b) && ((mem[WORD(c, 0)] & INUSE) || x != 0) ->
#else
        :: (mem[WORD(c, x)] & b) && ((mem[WORD(c, 0)] & INUSE) || x != 0) && mem[TAG(c)] == tag ->
#endif
            linked[who] = WORD(c, x) + 1
        :: else -> break
        fi };
        atomic {
            if
            :: linked[who] == WORD(c, x) + 1 ->
                written(WORD(c, x));
                mem[WORD(c, x)] = mem[WORD(c, x)] & ~(b);
                taken = true; linked[who] = 0;
                break
            :: else
            fi
        }
    od;
    if
    :: atomic { taken && HELDBYNONE(c) -> linked[who] = WORD(c, 0) + 1 }; adopt(c, who)
    :: atomic { !(taken && HELDBYNONE(c)) -> taken = false }
    fi
}

/* ---- publisher ---- */

#define ALONE(c) (FORWARDED(WORD(c, 0)) == (INUSE | OWN) && FORWARDED(WORD(c, 1)) == 0)

#define STASHED(k) stash[k]
#define LISTED(k) (listed[k] && drained)
#define GATHERED(k) (gathered[2 * k] || gathered[2 * k + 1])
#define SCANNED(k) (flying[k] && ALONE(k))
#define ANY(what) (what(0) || what(1) || what(2))
#define PICK(what, k) if :: what(0) -> k = 0 :: what(1) -> k = 1 :: what(2) -> k = 2 fi
#define RETURNED(x) (connected[x] && ISRETURN(ring[x], returns[x]))

inline keep(c)
{
    store(WORD(c, 1), 0);
    store(WORD(c, 0), INUSE | OWN);
    atomic { flying[c] = false; stash[c] = true }
}

/* Subscriber x has no further right to publication `tag` of c. */
inline handedBack(c, x, tag)
{
    if
    :: atomic { flying[c] && (FORWARDED(WORD(c, x)) & BIT) && FORWARDED(TAG(c)) == tag -> skip };
        atomic { drained -> written(WORD(c, x)); mem[WORD(c, x)] = mem[WORD(c, x)] & ~BIT };
        if
        :: ALONE(c) -> keep(c)
        :: else
        fi
    :: else
    fi
}

inline moveHeads()
{
    if
    :: connected[0] -> store(HEAD(0), returns[0])
    :: else
    fi;
    if
    :: connected[1] -> store(HEAD(1), returns[1])
    :: else
    fi
}

inline collect()
{
    atomic {
        any = false; x = 0;
        do
        :: x < 2 ->
            if
            :: connected[x] && ISRETURN(ring[x], returns[x]) ->
                any = true;
                v = ring[x] & 127; c = CHUNK(v);
                if
#ifdef MUTANT_NO_TAG_CHECK
                :: flying[c] ->
#else
                :: flying[c] && FORWARDED(TAG(c)) == SEQ(v) && (FORWARDED(WORD(c, x)) & BIT) ->
#endif
                    gathered[2 * c + x] = true
                :: else
                fi;
                returns[x] = 1 - returns[x] /* counted modulo 2: the ring has one entry */
            :: else
            fi;
            x++
        :: else -> x = 0; v = 0; c = 0; break
        od
    };
    if
    :: any ->
#ifdef MUTANT_HEAD_BEFORE_BITS
        moveHeads();
#endif
        do
        :: atomic { ANY(GATHERED) -> PICK(GATHERED, c) };
                if
                :: (gathered[2 * c] || !(FORWARDED(WORD(c, 0)) & BIT)) &&
                    (gathered[2 * c + 1] || !(FORWARDED(WORD(c, 1)) & BIT)) -> keep(c)
                :: else ->
                    if
                    :: gathered[2 * c] -> atomic {
                        drained -> written(WORD(c, 0)); mem[WORD(c, 0)] = mem[WORD(c, 0)] & ~BIT }
                    :: else
                    fi;
                    if
                    :: gathered[2 * c + 1] -> atomic {
                        drained -> written(WORD(c, 1)); mem[WORD(c, 1)] = mem[WORD(c, 1)] & ~BIT }
                    :: else
                    fi;
                    if
                    :: ALONE(c) -> keep(c)
                    :: else
                    fi
                fi;
                atomic { gathered[2 * c] = false; gathered[2 * c + 1] = false; c = 0 }
        :: else -> break
        od;
#ifndef MUTANT_HEAD_BEFORE_BITS
        moveHeads();
#endif
        any = false
    :: else
    fi
}

inline makeRoom(x)
{
    atomic {
        load(FLOOR(x), floor);
        at = position[x];
        settled[x] = (at > floor -> at : floor);
        floor = 0
    };
    if
    :: settled[x] <= s - DEPTH ->
        atomic { load(SLOT(x, s - DEPTH), v) };
        store(SLOT(x, s - DEPTH), MARK(s - DEPTH));
#ifndef MUTANT_NO_FENCE
        drained;
#endif
        at = position[x];
#ifdef MUTANT_FLOOR_FIRST
        store(FLOOR(x), s - DEPTH + 1);
#endif
        if
#ifdef MUTANT_NO_DOUBT
        :: at <= s - DEPTH -> handedBack(CHUNK(v), x, s - DEPTH)
#else
        :: at == s - DEPTH -> store(DOUBT(x), v)
        :: at < s - DEPTH -> handedBack(CHUNK(v), x, s - DEPTH)
#endif
        :: at > s - DEPTH
        fi;
#ifndef MUTANT_FLOOR_FIRST
        store(FLOOR(x), s - DEPTH + 1);
#endif
        atomic { settled[x] = (at > s - DEPTH + 1 -> at : s - DEPTH + 1); v = 0; at = 0 }
    :: else -> at = 0
    fi
}

inline setSlot(x)
{
    if
    :: connected[x] ->
        if
        :: settled[x] + DEPTH <= s -> makeRoom(x)
        :: else
        fi;
        store(SLOT(x, s), ENTRY(s, chosen))
    :: else
    fi
}

inline forget(x)
{
    connected[x] = false;
    do
    :: c < CHUNKS ->
        if
        :: flying[c] ->
            v = FORWARDED(TAG(c));
            handedBack(c, x, v);
            v = 0;
            if
            :: flying[c] && ALONE(c) -> keep(c)
            :: else
            fi
        :: else
        fi;
        c++
    :: else -> c = 0; break
    od
}

proctype Publisher()
{
    byte s = 1, c, x, v, at, floor, my, chosen, settled[2], returns[2];
    bool any, connected[2], flying[CHUNKS], stash[CHUNKS], gathered[6];
    atomic { connected[0] = HAS0; connected[1] = HAS1; settled[0] = 1; settled[1] = 1 };
    {
        do
        :: s <= N ->
            atomic {
                busy = true;
                if
                :: epoch != my -> my = epoch; any = true
                :: else
                fi
            };
            if
            :: any ->
                any = false;
                if
                :: connected[0] && subGone[0] -> forget(0)
                :: else
                fi;
                if
                :: connected[1] && subGone[1] -> forget(1)
                :: else
                fi
            :: else
            fi;
            /* loan */
            if
            :: !ANY(STASHED) && (RETURNED(0) || RETURNED(1)) -> collect()
            :: else
            fi;
            if
            :: atomic { ANY(STASHED) -> PICK(STASHED, chosen); stash[chosen] = false }; store(TAG(chosen), 0)
            :: atomic { !ANY(STASHED) && ANY(LISTED) ->
                PICK(LISTED, chosen);
                listed[chosen] = false; written(WORD(chosen, 0));
                mem[TAG(chosen)] = 0; mem[WORD(chosen, 0)] = INUSE | OWN }
            :: atomic { !ANY(STASHED) && ANY(SCANNED) -> PICK(SCANNED, c) }; keep(c); c = 0; goto left
            :: else -> goto left /* exhausted: again */
            fi;
            /* publish */
            atomic {
                content[chosen] = s;
                if
                :: !connected[0] && !connected[1] -> stash[chosen] = true; chosen = 0; s++; goto left
                :: else
                fi
            };
#ifdef MUTANT_SLOTS_BEFORE_BITS
            setSlot(0);
            setSlot(1);
#endif
#ifndef MUTANT_BITS_BEFORE_TAG
            store(TAG(chosen), s);
#endif
            if
            :: connected[1] -> store(WORD(chosen, 1), BIT)
            :: else
            fi;
            if
            :: connected[0] -> store(WORD(chosen, 0), INUSE | OWN | BIT)
            :: else
            fi;
#ifdef MUTANT_BITS_BEFORE_TAG
            store(TAG(chosen), s);
#endif
#ifndef MUTANT_SLOTS_BEFORE_BITS
            setSlot(0);
            setSlot(1);
#endif
            atomic { flying[chosen] = true; chosen = 0; s++ };
left:
#if KILL >= 2
            drained; /* busy is even when the stores before it have arrived */
#endif
            busy = false;
            if
            :: s > N || ANY(STASHED) || ANY(LISTED) || ANY(SCANNED) || RETURNED(0) || RETURNED(1) || epoch != my
            fi
        :: else -> break
        od;
        pubIdle = true;
endIdle:
        false
    } unless { atomic {
        diePub?1 ->
        deadPub = true; busy = false;
        s = 0; c = 0; x = 0; v = 0; at = 0; floor = 0; my = 0; chosen = 0; any = false;
        settled[0] = 0; settled[1] = 0; returns[0] = 0; returns[1] = 0; connected[0] = false; connected[1] = false;
        flying[0] = false; flying[1] = false; flying[2] = false; stash[0] = false; stash[1] = false; stash[2] = false;
        gathered[0] = false; gathered[1] = false; gathered[2] = false;
        gathered[3] = false; gathered[4] = false; gathered[5] = false }
    }
}

/* ---- subscriber ---- */

inline giveBack(e)
{
    if
    :: atomic { !gone && returns != seen -> seen = mem[HEAD(me)] } /* the ring has one entry: it seems full */
    :: gone || returns == seen
    fi;
    if
    :: atomic { !gone && returns == seen -> rb[me] == 0; rb[me] = e + PARITY(returns); returns = 1 - returns }
    :: gone || returns != seen -> drop(CHUNK(e), me, BIT, SEQ(e), me)
    fi
}

inline notice()
{
    atomic { my = epoch };
    if
    :: pubGone[me] && !gone ->
        gone = true;
#ifndef MUTANT_NO_OWN_RETURNS
        if
        :: atomic { mem[HEAD(me)] != returns -> rb[me] == 0; e = ring[me] & 127 };
            drop(CHUNK(e), me, BIT, SEQ(e), me);
            e = 0
        :: else
        fi
#endif
    :: else
    fi
}

#define AHEAD(s) (mem[SLOT(me, s)] != 0 && SEQ(mem[SLOT(me, s)]) >= s)
#define ENTRY_OF(s) (ISMARK(mem[SLOT(me, s)]) -> 0 : (SEQ(mem[SLOT(me, s)]) == s -> mem[SLOT(me, s)] : 0))

proctype Subscriber(byte me)
{
    byte p = 1, e, f, lost, my, returns, seen;
    bool gone, taken;
    {
again:
        do
        :: skip;
#ifndef MUTANT_ANNOUNCE_LATE
            atomic { rb[me] == 0 -> position[me] = p };
#endif
            do
            :: epoch != my -> notice()
            :: atomic { mem[SLOT(me, p)] != 0 && mem[SLOT(me, p)] == ENTRY_OF(p) ->
                e = mem[SLOT(me, p)];
                assert(content[CHUNK(e)] == p && (mem[WORD(CHUNK(e), me)] & BIT));
                p++; subNext[me] = p; break }
            :: atomic { AHEAD(p) && mem[SLOT(me, p)] != ENTRY_OF(p) && mem[FLOOR(me)] > p -> /* skipLost */
                f = mem[FLOOR(me)] };
                atomic {
                    e = mem[DOUBT(me)];
                    lost = p; p = f; f = 0; subNext[me] = p; /* missed += floor - position */
                    if
                    :: e != 0 && SEQ(e) == lost -> lost = 0; break
                    :: else -> e = 0; lost = 0; goto again
                    fi
                }
            :: atomic { epoch == my && gone && !AHEAD(p) && mem[FLOOR(me)] <= p -> goto done }
            od;
#ifdef MUTANT_ANNOUNCE_LATE
            atomic { rb[me] == 0 -> position[me] = p - 1 };
#endif
            /* The message has been read; or it was evicted, and its bit left to us. */
            assert((mem[WORD(CHUNK(e), me)] & BIT) && (content[CHUNK(e)] == SEQ(e)));
            giveBack(e);
            if /* release: the return first, then the epoch */
            :: epoch != my -> e = 0; notice()
            :: else -> e = 0
            fi;
#ifdef LAZY
            if
            :: skip
            :: stopped[me] = true; break
            fi
#endif
        od;
done:
        subIdle[me] = true
    } unless { atomic {
        dieSub[me]?1 ->
        deadSub[me] = true;
        p = 0; e = 0; f = 0; lost = 0; my = 0; returns = 0; seen = 0; gone = false; taken = false; linked[me] = 0 }
    }
}

/* ---- recovery ---- */

inline settleDelivery(c, x)
{
    atomic {
        e = 0;
        if
        :: mem[TAG(c)] != 0 && mem[TAG(c)] != FOREIGN && (mem[WORD(c, 0)] & (INUSE | OWN)) == (INUSE | OWN) &&
            (mem[WORD(c, x)] & BIT) -> e = mem[TAG(c)]
        :: else
        fi
    };
    if
    :: e == 0
    :: e != 0 && (mem[SLOT(x, e)] == 0 || SEQ(mem[SLOT(x, e)]) < e) -> drop(c, x, BIT, e, 2)
    :: e != 0 && !(mem[SLOT(x, e)] == 0 || SEQ(mem[SLOT(x, e)]) < e) ->
        if
        :: mem[SLOT(x, e)] == ENTRY(e, c) || e < mem[FLOOR(x)]
        :: else ->
            at = position[x];
            if
            :: e == at -> mem[DOUBT(x)] = ENTRY(e, c)
            :: e > at -> drop(c, x, BIT, e, 2)
            :: e < at
            fi;
            at = 0
        fi
    fi;
    e = 0
}

inline settleReturns(x)
{
    e = ring[x];
    if
    :: ISRETURN(e, mem[HEAD(x)]) -> e = e & 127; drop(CHUNK(e), x, BIT, SEQ(e), 2)
    :: else
    fi;
    e = 0
}

inline settlePair(x)
{
    if
    :: !pubGone[x] ->
#ifndef MUTANT_NO_VERDICTS
        atomic {
            k = 0;
            do
            :: k < 2 ->
                if
                :: ISMARK(mem[SLOT(x, k)]) && mem[SLOT(x, k)] != 0 && SEQ(mem[SLOT(x, k)]) >= mem[FLOOR(x)] ->
                    mem[FLOOR(x)] = SEQ(mem[SLOT(x, k)]) + 1
                :: else
                fi;
                k++
            :: else -> k = 0; break
            od
        };
#endif
        settleReturns(x);
        pubGone[x] = true
    :: else
    fi
}

#define ORPHAN(k) ((mem[WORD(k, 0)] & (BITS | INUSE)) == INUSE && (mem[WORD(k, 1)] & BITS) == 0)
inline adoptAll()
{
    do
    :: atomic { ANY(ORPHAN) -> PICK(ORPHAN, k); linked[2] = WORD(k, 0) + 1 }; adopt(k, 2)
    :: atomic { !ANY(ORPHAN) -> k = 0; break }
    od
}

/* One exchange per chunk. */
inline sweepOwnBit()
{
    do
    :: atomic { k < CHUNKS ->
            if
            :: mem[WORD(k, 0)] & OWN -> written(WORD(k, 0)); mem[WORD(k, 0)] = mem[WORD(k, 0)] & ~OWN
            :: else
            fi;
            k++ }
    :: atomic { k >= CHUNKS -> k = 0; break }
    od
}

inline settleDeliveries(x)
{
    do
    :: k < CHUNKS && !pubGone[x] && !subOff[x] -> settleDelivery(k, x); k++
    :: else -> k = 0; break
    od
}

inline retirePublisher()
{
#ifdef MUTANT_SWEEP_FIRST
    sweepOwnBit();
#endif
#ifndef MUTANT_NO_SETTLING
    settleDeliveries(0);
    settleDeliveries(1);
#endif
    settlePair(0);
    settlePair(1);
    sweepOwnBit();
#ifndef MUTANT_NO_ORPHANS
    adoptAll();
#endif
    epoch++;
    atomic { rb[0] == 0 && rb[1] == 0 }; /* barrier */
#ifndef MUTANT_NO_LATE_RETURNS
    if
    :: HAS0 && !subGone[0] -> settleReturns(0)
    :: else
    fi;
    if
    :: HAS1 && !subGone[1] -> settleReturns(1)
    :: else
    fi;
#endif
    pubOff = true
}

inline retireSubscriber(x)
{
    subGone[x] = true;
    epoch++;
    atomic { drained && (!busy || deadPub) };
    atomic {
        k = 0;
        do
        :: k < CHUNKS -> written(WORD(k, x)); mem[WORD(k, x)] = mem[WORD(k, x)] & ~BIT; k++
        :: else -> k = 0; break
        od
    };
    adoptAll();
    subOff[x] = true
}

active proctype Recoverer()
{
    byte e, k, x, at;
    bool taken;
again:
    {
        skip;
endWait:
        do
        :: deadPub && !pubOff && drained -> lock = true; retirePublisher(); lock = false
        :: deadSub[0] && !subOff[0] && rb[0] == 0 -> lock = true; retireSubscriber(0); lock = false
        :: deadSub[1] && !subOff[1] && rb[1] == 0 -> lock = true; retireSubscriber(1); lock = false
        od
    } unless { atomic {
        dieRecoverer?1 -> e = 0; k = 0; x = 0; at = 0; taken = false; linked[2] = 0; goto again }
    }
}

#define LISTEDNOW(k) listed[k]

/* Another publisher of the topic, which delivers to subscriber 0 what recovery has freed. */
active proctype OtherPublisher()
{
    byte c, k;
end:
    do
    :: atomic {
            k < OTHER_ROUNDS && pubGone[0] && ANY(LISTEDNOW) && !deadSub[0] ->
            PICK(LISTEDNOW, c);
            listed[c] = false; written(WORD(c, 0));
            mem[WORD(c, 0)] = INUSE | OTHER | BIT; mem[TAG(c)] = FOREIGN; content[c] = FOREIGN
        };
        assert(deadSub[0] || ((mem[WORD(c, 0)] & BIT) && content[c] == FOREIGN));
        atomic {
            written(WORD(c, 0));
            mem[WORD(c, 0)] = 0; mem[TAG(c)] = 0; content[c] = 0; listed[c] = true; c = 0; k++ }
    :: else -> break
    od
}

active proctype Killer()
{
end:
#if KILL == 1
    diePub!1;
#elif KILL == 2
    dieSub[0]!1;
#elif KILL == 3
    dieSub[1]!1;
#elif KILL == 4
    if
    :: diePub!1; end3: dieSub[0]!1
    :: dieSub[0]!1; end4: diePub!1
    fi;
#endif
end2:
#if RECOVERER_KILLED
    atomic { lock -> dieRecoverer!1 };
#endif
    skip
}

#define COMPLETE(x) (deadSub[x] || stopped[x] || subNext[x] == N + 1)
/* All that one who looks no more may keep is what still waits for it. */
#define LEFT(c, x) ((mem[WORD(c, x)] & ~INUSE) == 0 || \
    ((mem[WORD(c, x)] & ~INUSE) == BIT && stopped[x] && mem[TAG(c)] >= subNext[x]))

init
{
    byte i;
    atomic {
        mem[FLOOR(0)] = 1; mem[FLOOR(1)] = 1; subNext[0] = 1; subNext[1] = 1;
        listed[0] = true; listed[1] = true; listed[2] = true;
        run Publisher();
        if
        :: HAS0 -> run Subscriber(0)
        :: else -> subIdle[0] = true; subNext[0] = N + 1; pubGone[0] = true
        fi;
        if
        :: HAS1 -> run Subscriber(1)
        :: else -> subIdle[1] = true; subNext[1] = N + 1; pubGone[1] = true
        fi
    };
    timeout;
    assert(deadPub || pubIdle);
    assert(deadPub || (COMPLETE(0) && COMPLETE(1)));
    if
    :: !deadPub -> diePub!1
    :: else
    fi;
    timeout;
    assert(pubOff && (subOff[0] || subIdle[0]) && (subOff[1] || subIdle[1]));
    do
    :: i < CHUNKS ->
        assert(LEFT(i, 0) && LEFT(i, 1));
        assert(listed[i] == ((mem[WORD(i, 0)] & BITS) == 0 && mem[WORD(i, 1)] == 0));
        i++
    :: else -> break
    od
}
