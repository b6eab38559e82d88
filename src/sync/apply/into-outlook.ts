/** Carries out the decisions of one leased room that are for Outlook. Stores nothing. */
import { Conflict, isExpected, Permanent, Retryable } from '../../errors.ts';
import { isGivenBack, itemOf, type OutlookEvent, type Write, type WriteAnswer } from '../../event.ts';
import { idempotencyKey, ownCreateOf, type Create } from '../match/idempotency-key.ts';
import type { OutlookSide } from '../outlook-side.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import type { Span } from '../store/span.ts';
import type { CreatesDue, Settlement } from '../store/settle.ts';
import type { Mapped } from '../store/work-item.ts';
import { createdBefore, eventOf, type Decision } from './decision.ts';
import { itemResults, type ItemResults } from './item-results.ts';
import { isThere, ownEvent, type ReadContext } from './read.ts';
import { failed, keyUnread } from './settlement/failed.ts';
import { withoutCall } from './settlement/without-call.ts';
import {
  adopted,
  declined,
  goneMeanwhile,
  keyUsedUp,
  outlookTook,
  removedUnseen,
} from './settlement/written.ts';
import type { Troubles } from './troubles.ts';

/** Sent to the organiser of a declined meeting. */
export const cancelledComment = 'The reservation of this room was cancelled in the booking system.';

export interface IntoOutlookOptions {
  readonly outlook: OutlookSide;
  readonly troubles: Troubles;
  /** The window that is kept equal. */
  readonly span: () => Promise<Span>;
  /** Namespace of the idempotency keys: the installation id. */
  readonly installationId: () => string;
}

/** What the settlements of a room's writes need. */
interface WriteContext extends ReadContext {
  /** Namespace of the idempotency keys: the installation id. */
  readonly installationId: string;
}

export function createIntoOutlook(options: IntoOutlookOptions) {
  const { outlook, installationId, troubles, span } = options;

  /** By the answers to the creates of this room; `postponed` waited for the one that was sent. */
  function creates(
    room: LeasedRoom,
    answers: readonly WriteAnswer[],
    postponed: readonly Decision[],
  ): CreatesDue | null {
    const refused = answers.flatMap((answer) => (isRefusedCreate(answer) ? [answer.error] : []));
    const isWell = answers.some(({ outcome }) => outcome !== 'failed');
    if (isWell || answers.length === 0)
      return isWell && troubles.over(room.id, 'creates') ? { postponed: [], inMs: null } : null;
    if (refused.length === 0 && postponed.length === 0) return null;
    // a create that failed for a reason of its own shows nothing: the next one is tried
    const inMs = refused.length === 0 ? 0 : troubles.again(room.id, 'creates', refused[0]!);
    return { postponed: postponed.map((decision) => decision.mapped.id), inMs };
  }

  /** Writes the decisions that are for Outlook; the others are only settled. */
  async function push(
    room: LeasedRoom,
    decisions: readonly Decision[],
    signal: AbortSignal,
  ): Promise<ItemResults> {
    const all = decisions.flatMap((decision) => {
      const write = writeOf(decision, room, installationId());
      return write === null ? [] : [{ decision, write }];
    });
    // while creates are refused, one of them is tried and the others wait for it
    const [, ...others] = all.filter(({ write }) => write.do === 'create');
    const postponed = new Set(troubles.is(room.id, 'creates') ? others.map(({ decision }) => decision) : []);
    const toWrite = all.filter(({ decision }) => !postponed.has(decision));
    const answers =
      toWrite.length === 0
        ? []
        : await outlook.write(
            room,
            toWrite.map(({ decision, write }) =>
              decision.mapped.lane === 1 ? { ...write, isBackfill: true } : write,
            ),
            signal,
          );
    const written = new Map(toWrite.map(({ decision }, at) => [decision.mapped.id, answers[at]!]));
    const context = { room, outlook, span, installationId: installationId() };
    const settlements: Settlement[] = [];
    for (const decision of decisions) {
      if (postponed.has(decision)) continue;
      const answer = written.get(decision.mapped.id);
      settlements.push(
        answer === undefined ? withoutCall(decision) : await settlementOf(decision, answer, context, signal),
      );
    }
    return itemResults({
      settlements,
      creates: creates(
        room,
        answers.filter((_, at) => toWrite[at]!.write.do === 'create'),
        [...postponed],
      ),
      answered: answers.some((answer) => answer.outcome !== 'failed' || isOfItem(answer.error)),
      failures: answers.flatMap((answer) => (answer.outcome === 'failed' ? [answer.error] : [])),
    });
  }

  /** Declines another organiser's meeting. */
  async function decline(room: LeasedRoom, decision: Decision, signal: AbortSignal): Promise<ItemResults> {
    try {
      const answered = await outlook.respond(
        room,
        decision.mapped.eventId!,
        'decline',
        cancelledComment,
        signal,
      );
      return itemResults({ settlements: [declined(decision, answered)], answered: true });
    } catch (error) {
      if (!isExpected(error)) throw error;
      return itemResults({ settlements: [failed(decision, error)], failures: [error] });
    }
  }

  return { push, decline };
}

function writeOf(decision: Decision, room: LeasedRoom, installationId: string): Write | null {
  const { action, mapped } = decision;
  switch (action.do) {
    case 'create':
      return {
        do: 'create',
        item: action.item,
        properties: mapped.reservation,
        transactionId: idempotencyKey(createOf(mapped, room), installationId),
      };
    case 'change':
      if (Object.keys(action.change).length === 0 && action.showAs !== true && !mapped.renames) return null;
      return {
        do: 'change',
        eventId: eventOf(decision)!,
        change: action.change,
        whole: action.item,
        ...(action.showAs === true ? { showAs: true } : {}),
        ...(mapped.renames ? { properties: mapped.reservation } : {}),
        etag: versionOf(decision),
      };
    case 'remove':
      return { do: 'remove', eventId: eventOf(decision)! };
    case 'settle':
    case 'wait':
    case 'ask':
    case 'detach':
    case 'decline':
    case 'leave-event':
    case 'cancel-booking':
      return null;
  }
}

/** The version that the decision is about: a later edit is to be decided about, not overwritten. */
function versionOf(decision: Decision): string | null {
  const event = decision.adopted ?? decision.seen;
  return event === null || event === 'absent' ? decision.mapped.etag : event.etag;
}

const createOf = (mapped: Mapped, { resourceId }: LeasedRoom): Create => ({
  reservation: mapped.reservation,
  resourceId,
  generation: mapped.generation,
});

async function settlementOf(
  decision: Decision,
  answer: WriteAnswer,
  context: WriteContext,
  signal: AbortSignal,
): Promise<Settlement> {
  const call = { callMs: answer.callMs, requestId: answer.requestId ?? null };
  switch (answer.outcome) {
    case 'written':
      // the event of an earlier create with this key was cancelled meanwhile
      if (decision.action.do === 'create' && answer.event !== null && isGivenBack(answer.event.shows))
        return { ...keyUsedUp(decision), ...call };
      return {
        ...outlookTook(decision, answer.event),
        ...call,
        sinceAcceptedMs: performance.now() - answer.acceptedAt,
      };
    case 'gone':
      if (decision.action.do === 'remove') return { ...removedUnseen(decision), ...call };
      return { ...goneMeanwhile(decision), ...call };
    case 'taken':
      return { ...(await takenKey(decision, answer.existingId, context, signal)), ...call };
    case 'failed':
      return decision.action.do === 'remove' && (await isGoneAnyway(decision, answer.error, context, signal))
        ? { ...outlookTook(decision, null), ...call }
        : { ...failed(decision, answer.error), ...call };
  }
}

/** A removal was refused; a missing event counts as removed. */
async function isGoneAnyway(
  decision: Decision,
  error: Error,
  context: WriteContext,
  signal: AbortSignal,
): Promise<boolean> {
  if (!(error instanceof Permanent) || error.reach !== 'item') return false;
  try {
    return !(await isThere(eventOf(decision)!, context, signal));
  } catch (failure) {
    if (isExpected(failure)) return false;
    throw failure;
  }
}

/** Refused for a reason that applies to other creates as well. */
const isRefusedCreate = (
  answer: WriteAnswer,
): answer is WriteAnswer & { readonly outcome: 'failed'; readonly error: Retryable | Permanent } =>
  answer.outcome === 'failed' &&
  (answer.error instanceof Retryable || answer.error instanceof Permanent) &&
  answer.error.reach === 'item' &&
  answer.error.refusedFor !== undefined;

/**
 * The idempotency key was used by an earlier create of ours, with an older text, or whose event is gone. Its event is read: an
 * existing one of ours (see `ownEvent`) is adopted; otherwise the next key is stored before the next try.
 */
async function takenKey(
  decision: Decision,
  existingId: string | null,
  context: WriteContext,
  signal: AbortSignal,
): Promise<Settlement> {
  const { mapped } = decision;
  const { room, outlook, installationId } = context;
  const { generation, ...create } = createOf(mapped, room);
  const creates = { ...create, generations: [generation], since: mapped.createdAt };
  const isOurs = (event: OutlookEvent) =>
    itemOf(event.shows) !== null && ownCreateOf(event, creates, installationId) !== null;
  try {
    const named = existingId === null ? null : await outlook.read(room, existingId, signal);
    const own = (found: readonly OutlookEvent[]) =>
      found.find(isOurs) ?? ownEvent(mapped, found, outlook.show);
    const event =
      (named === null ? null : own([named])) ?? own(await outlook.find(room, mapped.reservation, signal));
    return event === null
      ? keyUsedUp(decision)
      : adopted(decision, event, createdBefore(mapped, event, context));
  } catch (error) {
    if (!isExpected(error)) throw error;
    return keyUnread(decision, error);
  }
}

const isOfItem = (error: Error) =>
  error instanceof Conflict || (error instanceof Permanent && error.reach === 'item');
