/**
 * The mass-change brake. Events that would be deleted because the rows of their reservation are gone (a truncated table, a
 * broken view, a failed restore) are counted in a sliding hour. Above the bound nothing destructive is applied until a person
 * confirms it. Cancellations made in the booking system are intended and never counted.
 */
export interface BrakePolicy {
  /** So many are applied without confirmation. 0 switches the brake off. */
  readonly max: number;
  /** ... or so large a part of the synced items. */
  readonly share: number;
}

export interface BrakeCount {
  /** Removed or to be removed within the hour, including this round. */
  readonly removing: number;
  /** Synced items that have not ended: those there now plus those removed in the hour. */
  readonly synced: number;
}

/** This round alone, in one room. */
export interface Round {
  readonly removing: number;
  readonly of: number;
}

/** Whether removals wait for a person: too many and too large a part, or one round empties a room of three or more. */
export function brakes(room: BrakeCount, all: BrakeCount, round: Round, policy: BrakePolicy): boolean {
  if (policy.max === 0) return false;
  const tooMany = (count: BrakeCount) =>
    count.removing > policy.max && count.removing > policy.share * count.synced;
  const leavesNone = round.of >= 3 && round.removing >= round.of;
  return tooMany(room) || tooMany(all) || leavesNone;
}
