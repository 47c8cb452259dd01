/*
 * The free list with operations on record: a stack whose head carries (port, sequence) of its last operation, which is
 * the ABA tag and the proof that the operation happened. Whoever overwrites the tag of another port's operation records
 * in that port's m_done that it took effect.
 *
 * Modelled: two workers that pop batches of one or two out of CHUNKS chunks and push one or all of what they have,
 * ROUNDS times; worker 1 is killed at any step; the recoverer finishes the noted operation, frees what was marked and
 * not pushed, gives one chunk back by itself (as settleReturns() does) and the rest in one push; it is killed once at
 * any step, and another one begins again. Worker 2 goes on all the time.
 * Property: a chunk that is popped is nobody's; in the end every chunk is in the list once.
 * Left out: more than one list, holder bits (a word is Free, InUse(port) or Freeing(port); ownership.pml has the bits),
 * links that a peer has scribbled on, the wrap of 32-bit sequences, the anonymous pop() and push(). Sequentially
 * consistent: every plain store here is followed by a locked instruction of its thread before anybody may act on it.
 *
 * Mirrors: freelist::popBatch, popDone, pushBatch, pushDone, applied, recordCompletionOf, walk; holders::pop,
 * markFreeing, putBack; recovery's finishListOperation, finishPop, finishPush, freeOrphans, sweepOwnBit.
 *
 * run: -DKILL=0
 * run: -DKILL=1
 * mutant: -DMUTANT_NO_HELP
 * mutant: -DMUTANT_NO_SEQUENCE -DKILL=0 -DVICTIM_ROUNDS=2
 * mutant: -DMUTANT_DONE_FIRST
 * mutant: -DMUTANT_NOTE_AFTER
 * mutant: -DMUTANT_NOTE_CLEARED_EARLY
 * mutant: -DMUTANT_NO_ORPHANS_FIRST
 * mutant: -DMUTANT_NOTE_KEPT -DVICTIM_ROUNDS=2
 */

#ifndef VICTIM_ROUNDS
#define VICTIM_ROUNDS 1
#endif
#ifndef OTHER_ROUNDS
#define OTHER_ROUNDS 2
#endif
#define ROUNDS (me == 1 -> VICTIM_ROUNDS : OTHER_ROUNDS)
#ifndef KILL
#define KILL 1
#endif
#define CHUNKS 3
#define NIL 3

#define NONE 0
#define POPPING 1
#define PUSHING 2

/* Holder words. */
#define FREE 0
#define INUSE(p) (p)
#define FREEING(p) ((p) + 2)
#define ISINUSE(w) ((w) == 1 || (w) == 2)

byte hnumber, hport, hseq; /* the head, one word */
byte link[CHUNKS];
byte word[CHUNKS];
byte kind[3], noted[3]; /* m_note */
byte done[3], operations[3], count[3];
byte batch[9]; /* m_batch, three per port */

chan die[3] = [0] of { bit };
chan dieRecoverer = [0] of { bit };
bool dead, recovered, idle[3];

inline help(me)
{
#ifdef MUTANT_NO_HELP
    skip
#else
    if
    :: hp != 0 && hp != me ->
        if
        :: kind[hp] != NONE && noted[hp] == hs ->
            atomic {
                if
                :: done[hp] < hs -> done[hp] = hs
                :: else
                fi
            }
        :: else
        fi
    :: else
    fi
#endif
}

#ifdef MUTANT_NO_SEQUENCE
#define UNMOVED (hnumber == hi)
#else
#define UNMOVED (hnumber == hi && hport == hp && hseq == hs)
#endif

/* m_note = 0; what belonged to the note is not read any more, so it is cleared to save states. */
#define NOTHING_NOTED(p) kind[p] = NONE; noted[p] = 0; count[p] = 0; \
    batch[3 * p] = 0; batch[3 * p + 1] = 0; batch[3 * p + 2] = 0

#define LOAD_HEAD hi = hnumber; hp = hport; hs = hseq

/* n numbers of batch[] are ours, or n is 0. */
inline popBatch(me, wanted)
{
#ifndef MUTANT_NOTE_AFTER
    atomic { kind[me] = POPPING; noted[me] = operations[me] + 1 };
#endif
    atomic { LOAD_HEAD; ok = false };
    do
    :: !ok ->
        help(me);
        atomic { n = 0; cur = hi };
        do
        :: cur != NIL && n < wanted -> atomic { batch[3 * me + n] = cur; n++; cur = link[cur] }
        :: else -> break
        od;
        if
        :: atomic { n == 0 -> NOTHING_NOTED(me); break }
        :: else
        fi;
        atomic {
            count[me] = n;
            if
            :: UNMOVED -> hnumber = cur; hport = me; hseq = operations[me] + 1; ok = true
            :: else -> LOAD_HEAD
            fi
        }
    :: else -> operations[me]++; break
    od;
#ifdef MUTANT_NOTE_AFTER
    atomic { kind[me] = POPPING; noted[me] = operations[me] };
#endif
#ifdef MUTANT_NOTE_CLEARED_EARLY
    kind[me] = NONE;
#endif
    atomic { ok = false; i = 0; hi = 0; hp = 0; hs = 0; cur = 0 };
    do
    :: i < n -> atomic {
        assert(!ISINUSE(word[batch[3 * me + i]])); /* nobody has it */
        word[batch[3 * me + i]] = INUSE(me); i++ }
    :: else -> atomic { i = 0; n = 0; NOTHING_NOTED(me); break }
    od
}

/* Pushes the n chunks in out[], which are Freeing(me). */
inline putBack(me)
{
    atomic {
        i = 0;
        do
        :: i + 1 < n -> link[out[i]] = out[i + 1]; i++
        :: else -> i = 0; break
        od
    };
    atomic { kind[me] = PUSHING; noted[me] = operations[me] + 1 };
    atomic { LOAD_HEAD; ok = false };
    do
    :: !ok ->
        help(me);
        link[out[n - 1]] = hi;
        atomic {
            if
            :: UNMOVED -> hnumber = out[0]; hport = me; hseq = operations[me] + 1; ok = true
            :: else -> LOAD_HEAD
            fi
        }
    :: else -> operations[me]++; break
    od;
    atomic { ok = false; hi = 0; hp = 0; hs = 0 };
    do
    :: i < n ->
        atomic {
            if
            :: word[out[i]] == FREEING(me) -> word[out[i]] = FREE
            :: else /* somebody has popped it already */
            fi;
            i++
        }
    :: else -> break
    od;
    atomic { NOTHING_NOTED(me); n = 0; i = 0; out[0] = 0; out[1] = 0; out[2] = 0 }
}

#define RESET n = 0; i = 0; k = 0; cur = 0; hi = 0; hp = 0; hs = 0; ok = false; out[0] = 0; out[1] = 0; out[2] = 0

proctype Worker(byte me)
{
    byte n, i, k, cur, hi, hp, hs, out[CHUNKS];
    bool ok;
    {
        do
        :: k < ROUNDS ->
            k++;
            if
            :: popBatch(me, 1)
            :: popBatch(me, 2)
            fi;
            /* Marks some of what it has, in the end all. */
            do
            :: i < CHUNKS ->
                atomic {
                    if
                    :: word[i] == INUSE(me) -> word[i] = FREEING(me); out[n] = i; n++
                    :: word[i] == INUSE(me) && k < ROUNDS
                    :: word[i] != INUSE(me)
                    fi;
                    i++
                }
            :: else -> break
            od;
            i = 0;
            if
            :: n > 0 -> putBack(me)
            :: else
            fi
        :: else -> break
        od;
        idle[me] = true;
endIdle:
        false
    } unless { atomic { die[me]?1 -> dead = true; RESET } }
}

/* Chunks that are marked as the victim's, in one push. */
inline freeOrphans()
{
    atomic {
        i = 0; n = 0;
        do
        :: i < CHUNKS ->
            if
            :: word[i] == FREEING(1) -> out[n] = i; n++
            :: else
            fi;
            i++
        :: else -> i = 0; break
        od
    };
    if
    :: n > 0 -> putBack(1)
    :: else
    fi
}

proctype Recoverer()
{
    byte n, i, k, cur, hi, hp, hs, out[CHUNKS];
    bool ok;
again:
    {
        skip;
endWait:
        dead;
        /* finishListOperation */
        if
        :: kind[1] != NONE ->
#ifdef MUTANT_DONE_FIRST
            ok = done[1] >= noted[1];
            ok = ok || (hport == 1 && hseq == noted[1]);
#else
            ok = hport == 1 && hseq == noted[1];
            ok = ok || done[1] >= noted[1];
#endif
            if
            :: ok && kind[1] == POPPING ->
                do
                :: i < count[1] -> atomic {
                    k = batch[3 + i];
                    if
                    :: !ISINUSE(word[k]) -> word[k] = INUSE(1)
                    :: else
                    fi;
                    k = 0; i++ }
                :: else -> break
                od
            :: ok && kind[1] == PUSHING ->
                do
                :: i < CHUNKS -> atomic {
                    if
                    :: word[i] == FREEING(1) -> word[i] = FREE
                    :: else
                    fi;
                    i++ }
                :: else -> break
                od
            :: else
            fi;
            atomic {
                if
                :: ok && operations[1] < noted[1] -> operations[1] = noted[1]
                :: else
                fi;
                i = 0; ok = false
            };
#ifndef MUTANT_NOTE_KEPT
            atomic { NOTHING_NOTED(1) }
#endif
        :: else
        fi;
#ifndef MUTANT_NO_ORPHANS_FIRST
        freeOrphans();
#endif
        /* settleReturns: one chunk by itself */
        atomic {
            if
            :: word[0] == INUSE(1) -> word[0] = FREEING(1); out[0] = 0; n = 1
            :: word[1] == INUSE(1) -> word[1] = FREEING(1); out[0] = 1; n = 1
            :: word[2] == INUSE(1) -> word[2] = FREEING(1); out[0] = 2; n = 1
            :: word[0] != INUSE(1) && word[1] != INUSE(1) && word[2] != INUSE(1)
            fi
        };
        if
        :: n > 0 -> putBack(1)
        :: else
        fi;
        /* sweepOwnBit */
        do
        :: i < CHUNKS -> atomic {
            if
            :: word[i] == INUSE(1) -> word[i] = FREEING(1)
            :: else
            fi;
            i++ }
        :: else -> break
        od;
        freeOrphans();
        recovered = true;
endIdle:
        false
    } unless { atomic { dieRecoverer?1 -> RESET; goto again } }
}

active proctype Killer()
{
#if KILL
end1:
    die[1]!1;
end2:
    dieRecoverer!1;
#endif
    skip
}

init
{
    byte i, seen, at;
    atomic {
        do
        :: i < CHUNKS -> link[i] = i + 1; i++ /* the last one: NIL */
        :: else -> i = 0; break
        od;
        run Worker(1);
        run Worker(2);
        run Recoverer()
    };
    timeout;
    assert(idle[2] && (recovered || (!dead && idle[1])));
    atomic {
        at = hnumber;
        do
        :: at != NIL && i <= CHUNKS ->
            assert(word[at] == FREE && !(seen & (1 << at)));
            seen = seen | (1 << at); at = link[at]; i++
        :: else -> break
        od;
        assert(i == CHUNKS)
    }
}
