/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock.pml - the lock of an entry, which is its version too (ebpf/flow_abi.h, docs/PROTOCOL.kernel.md), for spin.
 *
 * Two CPUs with frames of two connections, an engine that puts one of them into the only slot, takes it out,
 * reads it, offers it, and is killed between any two of its steps when it writes.  All is done in single
 * loads and stores, but for one compare-and-swap each.  In the other models a frame's critical section
 * and the engine's look at an entry are one step; this is why they may be.
 *
 *   nobody writes while another does, and a program only into the entry of its frame's connection
 *   what the engine reads, and what a program finds under the lock, is whole: `a` and `b` are the same
 *   when the engine has withdrawn an offer and read that it is the owner, no program takes that offer
 *   nobody waits for an engine that is dead (spin looks for ends that are none)
 *
 * Each of these makes a lock that is not this one, and spin has to say so:
 *   -DNO_SWAP      a program looks at the lock and takes it in two steps
 *   -DNO_KEY       it does not ask under the lock whose entry that is
 *   -DNO_TAKING    the engine writes without taking the entry away
 *   -DNO_AGAIN     it does not look at the version again behind what it has read
 *   -DNO_ODD       it reads while a program has the lock
 *   -DEARLY        a program looks at the offer before it has the lock
 *   -DWAITS        it waits until the engine is done
 *   -DNO_HEIR      an engine waits for its predecessor
 */
#ifndef FRAMES
#define FRAMES 3
#endif
#ifndef ACTS
#define ACTS 4
#endif
#define HELD   1
#define GONE   128
#define NEXT(v) (((v | HELD) + 1) & 127)
#define ENGINE 0
#define KERNEL 1

byte version, key, owner, a, b; /* the entry */
byte place;			/* of the index: the connection that is in it, from 1 */
bit valid;			/* the offer */

byte frames, writers;
bit mine; /* the engine has withdrawn, and read that it is the owner */

#ifdef NO_SWAP
#define SWAP(v, to) got = (version == v); if :: got -> version = to :: else fi
#else
#define SWAP(v, to) atomic { got = (version == v); if :: got -> version = to :: else fi }
#endif
#ifdef NO_KEY
#define SAME 1
#else
#define SAME (key == c)
#endif

proctype cpu()
{
	byte c, v;
	bit got, offered;

	do
	:: atomic {
		frames < FRAMES ->
		frames++;
		got = 0;
		if
		:: c = 1
		:: c = 2
		fi
	   }
	   if
	   :: place != c -> goto done
	   :: else
	   fi;
#ifdef EARLY
	   offered = valid;
#endif
again:
	   v = version;
	   if
	   :: v & GONE ->
#ifdef WAITS
		(version & GONE) == 0;
		goto again
#else
		goto done /* it is not there */
#endif
	   :: !(v & GONE) && (v & HELD) ->
		if
		:: (version & HELD) == 0 -> goto again
		:: goto done /* too long: the frame is dropped */
		fi
	   :: else
	   fi;
	   SWAP(v, v | HELD);
	   if
	   :: got
	   :: else ->
		if
		:: goto again
		:: goto done
		fi
	   fi;
	   assert(writers == 0);
	   writers++;
#ifndef EARLY
	   offered = valid;
#endif
	   if
	   :: SAME ->
		assert(a == b);
		if
		:: owner == ENGINE && offered ->
			assert(!mine);
			owner = KERNEL
		:: else
		fi;
		if
		:: owner == KERNEL ->
			a++;
			assert(key == c);
			b++;
			assert(key == c)
		:: else
		fi
	   :: else
	   fi;
	   writers--;
	   version = NEXT(v);
done:
	   atomic { c = 0; v = 0; got = 0; offered = 0 }
	:: frames >= FRAMES -> break
	od
}

#define DIES if :: goto dead :: true fi /* here it may be killed */

/* Connection c into the entry, or none. */
inline write(c)
{
	got = 0;
	do
	:: got -> break
	:: !got ->
		v = version;
		if
#ifdef NO_HEIR
		:: v & (HELD | GONE) -> (version & (HELD | GONE)) == 0
#else
		:: !(v & GONE) && (v & HELD) -> (version & HELD) == 0
#endif
		:: else ->
#ifdef NO_TAKING
			got = 1
#else
			SWAP(v, v | GONE)
#endif
		fi
	od;
	assert(writers == 0);
	writers++;
	key = c;
	owner = ENGINE;
	a = 0;
	atomic { writers--; DIES; writers++ }
	b = 0;
	writers--;
	DIES;
	version = NEXT(v)
}

proctype engine()
{
	byte acts, v, r_a, r_b, r_owner;
	bit got;

	do
	:: acts < ACTS ->
		acts++;
		if
		:: place == 0 ->
			atomic { valid = 0; mine = 0 }
			if
			:: write(1); place = 1
			:: write(2); place = 2
			fi;
			mine = 1 /* nobody could take it yet */
		:: place != 0 ->
			mine = 0;
			place = 0;
			DIES;
			write(0)
		:: place != 0 && mine -> atomic { mine = 0; valid = 1 }
		:: place != 0 ->
			valid = 0; /* withdrawn, then read */
			got = 0;
			do
			:: got -> break
			:: !got ->
				v = version;
				if
#ifndef NO_ODD
				:: v & HELD -> (version & HELD) == 0
#endif
				:: else ->
					r_a = a;
					r_owner = owner;
					r_b = b;
#ifdef NO_AGAIN
					got = 1
#else
					got = (version == v)
#endif
				fi
			od;
			atomic {
				assert(r_a == r_b);
				mine = (r_owner == ENGINE)
			}
		fi;
		goto alive;
dead:		if
		:: mine = 0 /* another one is started */
		:: break    /* or none */
		fi;
alive:		atomic { v = 0; r_a = 0; r_b = 0; r_owner = 0; got = 0 }
	:: acts >= ACTS -> break
	od
}

init
{
	atomic {
		run cpu();
		run cpu();
		run engine()
	}
}
