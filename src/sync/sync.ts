/** Builds the drain of a room from its parts. */
import type { Queryable } from '../database.ts';
import type { Tell } from '../facts.ts';
import { createApply } from './apply/apply.ts';
import type { BrakeCount, BrakePolicy } from './decide/brake.ts';
import type { Window } from './store/work-list.ts';
import { createImport } from './apply/import.ts';
import { createIntoBooking } from './apply/into-booking.ts';
import type { OverlapPolicy } from './decide/decide-unmapped.ts';
import { withFreshReads } from './fresh-reads.ts';
import { createIntoOutlook } from './apply/into-outlook.ts';
import { createBrake } from './apply/brake.ts';
import { createDrain, type DrainOptions } from './worker/drain.ts';
import { createReads } from './worker/reads.ts';
import { createOwnWrites } from './own-writes.ts';
import type { OutlookSide } from './outlook-side.ts';
import type { ConflictPolicy } from './apply/decision.ts';
import { createTroubles } from './apply/troubles.ts';
import { patiently } from './store/failing.ts';
import { listWindow } from './store/span.ts';
import type { SentMemory } from './store/sent.ts';
import { createSettle } from './store/settle.ts';
import { withPrivacy } from './with-privacy.ts';
import { withoutMappedEvents } from './match/without-mapped-events.ts';
import { createWriteBooking } from './apply/write-booking.ts';

export interface SyncOptions {
  readonly db: Queryable;
  readonly outlook: OutlookSide;
  readonly tell: Tell;
  /** Namespace of the idempotency keys; changes when a person confirms a copied or restored database. */
  readonly installationId: () => string;
  readonly window: Window;
  /** Between two polls of a room. */
  readonly pollMs: number;
  /** The same for a room without a subscription; default: no difference. */
  readonly unsubscribedMs?: number;
  readonly brake: BrakePolicy;
  /** Removals of other rooms that the database does not know; default: none. */
  readonly unseen?: BrakeCount;
  /** The side that wins where both changed the same field. */
  readonly conflict: ConflictPolicy;
  /** The treatment of an Outlook event on a reserved slot. */
  readonly overlap: OverlapPolicy;
  readonly importMode: 'auto' | 'manual';
  /** A dry run; see createClaimCheck. */
  readonly isPlan?: boolean;
  readonly sentMemory?: SentMemory;
}

export const createSync = (options: SyncOptions) => createDrain(partsOf(options));

/** The parts of a drain. */
export function partsOf(given: SyncOptions): DrainOptions {
  // a plan is one transaction, in which a failed statement cannot be repeated
  const options = given.isPlan === true ? given : { ...given, db: patiently(given.db) };
  const { db, tell, window, isPlan = false } = options;
  const ownWrites = createOwnWrites();
  const side = ownWrites.remembered(options.outlook);
  const outlook = withFreshReads(withPrivacy(db, withoutMappedEvents(db, side)));
  // a locked reservation is put off, not waited for
  const writeBooking = createWriteBooking(given.db);
  const troubles = createTroubles();
  const apply = createApply({
    db,
    outlook,
    intoOutlook: createIntoOutlook({
      ...options,
      outlook,
      troubles,
      span: () => listWindow(db, window),
    }),
    intoBooking: createIntoBooking({ ...options, writeBooking }),
    importAll: createImport({ ...options, outlook, writeBooking }),
    holdBack: createBrake(options),
    settle: createSettle(given.db, db),
    policy: options.conflict,
    installationId: options.installationId,
    window,
    ...(options.sentMemory === undefined ? {} : { sentMemory: options.sentMemory }),
  });
  const reads = createReads({
    db,
    outlook,
    ownWrites,
    window,
    installationId: options.installationId,
    pollMs: options.pollMs,
    unsubscribedMs: options.unsubscribedMs ?? options.pollMs,
    troubles,
    isPlan,
    tell,
  });
  return { db, reads, apply, troubles, window, tell };
}
