/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owner.pml - who judges a connection, kernel or engine (docs/PROTOCOL.kernel.md), for spin.
 *
 * One direction of one connection.  Its frames carry the numbers 0, 1, 2, ...; a frame comes again now
 * and then, or is one that the kernel cannot judge (odd).  Two CPUs take frames from two ports; what they
 * send up is late as it likes, overtakes on the other ring, or is lost.  `truth` is the number that
 * is to be judged next, which nobody in the real thing knows.
 *
 *   never is a number judged twice, or out of turn        (judge(): by numbers that are stale, say)
 *   never is an offer taken while a frame is on its way up (take())
 *
 * Each of these makes a protocol that is not this one, and spin has to say so:
 *   -DNO_SEEN      the kernel does not compare the offer's `seen` with what went up
 *   -DNO_EPOCH     the engine does not ask whether the kernel has judged meanwhile
 *   -DNO_COUNT     the engine does not count what it got, and offers at any time
 *   -DNO_VERSION   the kernel believes an offer that is being written
 *   -DNO_LATE      with NO_COUNT and ANY_TAKE: a frame that was late is judged all the same
 *
 * -DANY_TAKE does not look at the second property.  With it -DNO_COUNT has no fault: the first one does not
 * hang on the count, since a late frame is dropped.
 */
#ifndef NUMBERS
#define NUMBERS 3 /* to be judged */
#endif
#ifndef FRAMES
#define FRAMES 4 /* that come in */
#endif
#define ENGINE 0
#define KERNEL 1

/* the entry, under its lock: every atomic is one critical section */
byte owner, next, base, epoch, up;
/* the offer, written by the engine alone, in steps */
byte version, valid, o_seen, o_next;

byte truth, came, on_the_way;
chan ring0 = [FRAMES] of {byte, bit};
chan ring1 = [FRAMES] of {byte, bit};

inline judge(n)
{
	assert(n == truth);
	truth++
}

inline take()
{
#ifndef ANY_TAKE
	assert(on_the_way == 0);
#endif
	owner = KERNEL;
	next = o_next;
	base = o_next
}

#ifdef NO_SEEN
#define SEEN 1
#else
#define SEEN (o_seen == up)
#endif
#ifdef NO_VERSION
#define WHOLE 1
#else
#define WHOLE (version % 2 == 0)
#endif
#define OFFERED (valid && WHOLE && SEEN)

proctype cpu(chan ring)
{
	byte n;
	bit odd, goes_up;

	do
	:: atomic {
		came < FRAMES && truth < NUMBERS ->
		came++;
		n = truth; /* the next; or one that was before */
		do
		:: n > 0 -> n--
		:: break
		od;
		if
		:: odd = 0
		:: odd = 1
		fi
	   }
	   atomic { /* the lock */
		goes_up = 0;
		if
		:: owner == ENGINE && OFFERED && !odd && n == o_next ->
			take();
			judge(n);
			next++
		:: owner == KERNEL && !odd && n == next ->
			judge(n);
			next++
		:: owner == KERNEL && !odd && n >= base && n < next ->
			skip /* again, and the same: it is remembered since the kernel took over */
		:: else ->
			if
			:: owner == KERNEL -> owner = ENGINE; epoch++
			:: else
			fi;
			up++;
			on_the_way++;
			goes_up = 1
		fi
	   }
	   if
	   :: goes_up -> ring!n, odd
	   :: goes_up -> atomic { on_the_way-- } /* lost: the ring is full */
	   :: else
	   fi;
	   atomic { n = 0; odd = 0; goes_up = 0 } /* fewer states to look at */
	:: came >= FRAMES || truth >= NUMBERS -> break
	od
}

proctype engine()
{
	byte n, my_next, my_epoch, got, r_owner, r_epoch, r_next, r_up;
	bit odd, have;

	do
	:: atomic {
		have = 0;
		if
		:: ring0?n, odd -> have = 1
		:: ring1?n, odd -> have = 1
		:: empty(ring0) && empty(ring1)
		fi
	   }
	   if
	   :: have ->
		got++;
		if
		:: valid -> version++; valid = 0; version++ /* withdrawn */
		:: else
		fi;
		atomic { r_owner = owner; r_epoch = epoch; r_next = next }
		if
#ifndef NO_LATE
		:: r_owner == KERNEL -> skip /* it was late: dropped, its sender repeats it */
		:: else ->
#else
		:: true ->
#endif
#ifndef NO_EPOCH
			if
			:: r_epoch != my_epoch -> my_epoch = r_epoch; my_next = r_next
			:: else
			fi;
#endif
			if
			:: n == my_next -> atomic { judge(n); my_next++ }
			:: else /* compared with what was, or held: not judged now */
			fi
		fi;
		atomic { on_the_way-- }
	   :: else ->
		if
		:: atomic { on_the_way == 0 -> got = up } /* after a time that no frame needs: what is
							   * missing is lost */
		:: skip
		fi;
		atomic { r_owner = owner; r_epoch = epoch; r_up = up }
		if
		:: r_owner == ENGINE && !valid &&
#ifndef NO_COUNT
			got == r_up &&
#endif
			r_epoch == my_epoch ->
			version++;
			valid = 1;
			o_seen = r_up;
			o_next = my_next;
			version++
		:: else
		fi
	   fi;
	   atomic { n = 0; odd = 0; have = 0; r_owner = 0; r_epoch = 0; r_next = 0; r_up = 0 }
	:: (came >= FRAMES || truth >= NUMBERS) && empty(ring0) && empty(ring1) && on_the_way == 0 ->
		break
	od
}

init
{
	atomic {
		run cpu(ring0);
		run cpu(ring1);
		run engine()
	}
}
