/** The brake among decisions: what takes much away at once waits for a person. */
import type { LeasedRoom } from '../store/work-list.ts';
import type { Mapped } from '../store/work-item.ts';
import type { Decision } from './decision.ts';
import { outcome, type Outcome } from './outcome.ts';
import { heldBack, lostNews } from './settlement/conflict.ts';
import { goneFirst } from './settlement/failed.ts';

/** Of these mappings, whose other side is gone, the ids of those of which ours may be removed. */
type MayRemove = (room: LeasedRoom, gone: readonly Mapped[]) => Promise<ReadonlySet<number>>;

/** Those that may be carried out now; `held`: the others wait for a person, or for the count of all that is gone. */
export function createHoldBack(mayRemove: MayRemove) {
  return async function holdBack(
    room: LeasedRoom,
    decisions: readonly Decision[],
  ): Promise<{ readonly allowed: readonly Decision[]; readonly held: Outcome }> {
    // what was found to be gone just now is written down first, so that it is counted
    const uncounted = decisions.filter((one) => hasDisappeared(one) && one.mapped.news !== 'gone');
    const counted = decisions.filter((one) => !uncounted.includes(one));
    const gone = counted.filter((one) => hasDisappeared(one) || takesAway(one));
    const may =
      gone.length === 0
        ? new Set<number>()
        : await mayRemove(
            room,
            gone.map(({ mapped }) => mapped),
          );
    const held = gone.filter(({ mapped }) => !may.has(mapped.id));
    return {
      allowed: counted.filter((one) => !held.includes(one)),
      held: outcome({ settlements: [...uncounted.map(goneFirst), ...held.map(heldBack)] }),
    };
  };
}

/** Its event is gone. A meeting that was called off or declined was given back on purpose, which the brake does not count. */
const hasDisappeared = (decision: Decision) =>
  decision.action.do === 'cancel-booking' && !isChosen(decision.mapped) && lostNews(decision).news === 'gone';

/** Its event is to go, because the rows of its reservation are gone. */
const takesAway = ({ action, mapped: { active, elsewhere } }: Decision) =>
  active === null && !elsewhere && (action.do === 'remove' || action.do === 'decline');

/** Its event is there, shown as free, and a person said to follow that. */
const isChosen = ({ conflict, resolution }: Mapped) => conflict?.kind === 'free' && resolution === 'outlook';
