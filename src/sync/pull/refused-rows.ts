/** Observed events that PostgreSQL refuses to store, even by their id. */
import type { Queryable } from '../../database.ts';
import type { Tell } from '../../facts.ts';
import { scanAgain } from '../store/rounds.ts';
import type { LeasedRoom } from '../store/work-list.ts';

/** Until the full scan that looks for them, after a delta round or a hint. */
const scanMs = 60_000;
/** The same after a full scan: the reason needs a person, and each scan lists the whole window. */
const scanAfterScanMs = 15 * 60_000;

/**
 * Reports each refusal as a bug and requests a full scan of the room: the cursor or the hint that named these events is used up, and
 * nothing else reads them again. `by`: the read that observed them.
 */
export async function reportRefused(
  { db, tell }: { readonly db: Queryable; readonly tell: Tell },
  room: LeasedRoom,
  errors: readonly Error[],
  where: string,
  by: 'scan' | 'other',
): Promise<void> {
  if (errors.length === 0) return;
  for (const error of errors) tell({ fact: 'bug', error, where });
  await scanAgain(db, room, by === 'scan' ? scanAfterScanMs : scanMs);
}
