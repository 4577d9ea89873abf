/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs.pml - both directions of a connection whose judge changes between kernel and engine
 * (docs/PROTOCOL.kernel.md), for spin; owner.pml has one of them in more detail.
 *
 * Requests carry the numbers 0, 1, ..., and so do their answers, which come in that order and not before
 * the request has passed.  Each direction has its port, its CPU and its ring; a frame comes again now and
 * then, or is one that the kernel cannot judge (odd), and what goes up is late as it likes, or lost.
 * truth[dir] is the number that is to be judged next.
 *
 *   never is a number judged twice, or out of turn, in either direction          (judge())
 *   never does an answer find another request than its own, or none at all       (pairs())
 *
 * Each of these makes a protocol that is not this one, and spin has to say so:
 *   -DNO_FEED    the engine does not take over the requests that are open in the entry
 *   -DNO_REST    it offers a connection in which a request is open
 *   -DNO_CLEAR   the kernel keeps what was open when it had the connection last
 *   -DNO_BOTH    the engine takes over the numbers of the direction only whose frame came up
 *   -DNO_EPOCH   it does not ask whether the kernel has judged meanwhile
 *   -DNO_SEEN    the kernel does not compare the offer's `seen` with what went up
 *   -DNO_LATE    with NO_COUNT, offers at any time: a frame that was late is judged all the same
 */
#ifndef NUMBERS
#define NUMBERS 2 /* requests */
#endif
#ifndef FRAMES
#define FRAMES 5 /* that come in */
#endif
#define ENGINE 0
#define KERNEL 1

/* the entry, under its lock: every atomic is one critical section */
byte owner, epoch, up, next[2], base[2];
byte open_at, n_open; /* requests without an answer: numbers from open_at on */
/* the offer, written by the engine alone, in steps */
byte version, valid, o_seen, o_next[2];

byte truth[2], came, on_the_way;
chan ring0 = [3] of {byte, bit};
chan ring1 = [3] of {byte, bit};

inline judge(dir, n)
{
	assert(n == truth[dir]);
	truth[dir]++
}

/* The engine, or the kernel, has an answer before it that is to pass. */
#define PAIRS(n, at, many) ((many) > 0 && (n) == (at))

#ifdef NO_SEEN
#define SEEN 1
#else
#define SEEN (o_seen == up)
#endif
#define OFFERED (valid && version % 2 == 0 && SEEN)
/* an answer comes when its request has passed; the last request may come again */
#define THERE(dir) (dir == 0 && truth[0] < NUMBERS || dir == 1 && truth[1] < truth[0])

proctype cpu(bit dir; chan ring)
{
	byte n;
	bit odd, goes_up;

	do
	:: atomic {
		came < FRAMES && (THERE(dir) || truth[dir] > 0) ->
		came++;
		if
		:: THERE(dir) -> n = truth[dir]
		:: truth[dir] > 0 -> n = truth[dir] - 1 /* the last one, again */
		fi;
		if
		:: odd = 0
		:: odd = 1
		fi
	   }
	   atomic { /* the lock */
		goes_up = 0;
		if
		:: owner == ENGINE && OFFERED && !odd && n == o_next[dir] && dir == 0 ->
			/* an answer fits no offer: nothing is open */
			owner = KERNEL;
			next[0] = o_next[0];
			next[1] = o_next[1];
			base[0] = o_next[0];
			base[1] = o_next[1];
#ifndef NO_CLEAR
			n_open = 0;
#endif
			if
			:: n_open == 0 -> open_at = n
			:: else
			fi;
			judge(0, n);
			n_open++;
			next[0]++
		:: owner == KERNEL && !odd && dir == 0 && n == next[0] ->
			if
			:: n_open == 0 -> open_at = n
			:: else
			fi;
			judge(0, n);
			n_open++;
			next[0]++
		:: owner == KERNEL && !odd && dir == 1 && n == next[1] && n_open > 0 ->
			assert(PAIRS(n, open_at, n_open));
			judge(1, n);
			open_at++;
			n_open--;
			next[1]++
		:: owner == KERNEL && !odd && n >= base[dir] && n < next[dir] ->
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
	:: came >= FRAMES -> break
	od
}

proctype engine()
{
	byte n, my_epoch, got, my_at, my_open, my_next[2], r_owner, r_epoch, r_up;
	bit odd, dir, have;

	do
	:: atomic {
		have = 0;
		if
		:: ring0?n, odd -> have = 1; dir = 0
		:: ring1?n, odd -> have = 1; dir = 1
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
		atomic { /* the entry is read */
			r_owner = owner;
			r_epoch = epoch;
#ifndef NO_EPOCH
			if
			:: r_owner == ENGINE && r_epoch != my_epoch ->
				my_epoch = r_epoch;
#ifdef NO_BOTH
				my_next[dir] = next[dir];
#else
				my_next[0] = next[0];
				my_next[1] = next[1];
#endif
#ifndef NO_FEED
				my_at = open_at;
				my_open = n_open
#endif
			:: else
			fi
#endif
		}
		if
#ifndef NO_LATE
		:: r_owner == KERNEL -> skip /* it was late: dropped, its sender repeats it */
		:: else ->
#else
		:: true ->
#endif
			if
			:: n == my_next[dir] && dir == 0 -> atomic {
				if
				:: my_open == 0 -> my_at = n
				:: else
				fi;
				judge(0, n);
				my_open++;
				my_next[0]++
			   }
			:: n == my_next[dir] && dir == 1 -> atomic {
				assert(PAIRS(n, my_at, my_open));
				judge(1, n);
				my_at++;
				my_open--;
				my_next[1]++
			   }
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
#ifndef NO_REST
			my_open == 0 &&
#endif
			r_epoch == my_epoch ->
			version++;
			valid = 1;
			o_seen = r_up;
			o_next[0] = my_next[0];
			o_next[1] = my_next[1];
			version++
		:: else
		fi
	   fi;
	   atomic { n = 0; odd = 0; have = 0; dir = 0; r_owner = 0; r_epoch = 0; r_up = 0 }
	:: came >= FRAMES && empty(ring0) && empty(ring1) && on_the_way == 0 -> break
	od
}

init
{
	atomic {
		run cpu(0, ring0);
		run cpu(1, ring1);
		run engine()
	}
}
