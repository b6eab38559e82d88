/**
 * A small model of one reservation and its event: carries decided actions out on both sides without trouble, and notes what
 * is agreed on afterwards, as the settling code does. Its Outlook may rewrite what it is given.
 */
import type { Shown } from '../../../src/event.ts';
import { itemFields, type Item, type ItemChange } from '../../../src/item.ts';
import { decide, type Action, type Sides } from '../../../src/sync/decide/decide.ts';
import { sidesOf as fromRow, type Row } from './row.ts';
import { pick } from '../../../src/sync/apply/decision.ts';

export type Setup = Pick<
  Row,
  'intent' | 'inWindow' | 'ended' | 'covered' | 'coverConfirmed' | 'direction' | 'prefer'
>;

export interface World {
  /** Null: cancelled. */
  readonly booking: Item | null;
  readonly event: Item | 'absent' | 'released';
  readonly agreed: ItemChange | null;
  readonly outlookBase: Item | null;
  readonly hasEvent: boolean;
  readonly isOrganizer: boolean;
  readonly cancelled: boolean;
  readonly intent: Row['intent'];
  /** The mapping is dropped. */
  readonly forgotten: boolean;
}

const shown = (event: World['event']): Shown =>
  typeof event === 'string' ? { is: event } : { is: 'occupied', item: event };

export const sidesOf = (world: World, setup: Setup): Sides =>
  fromRow({
    ...setup,
    agreed: world.agreed,
    wanted: world.booking,
    outlookBase: world.outlookBase,
    outlook: world.hasEvent ? shown(world.event) : null,
    hasEvent: world.hasEvent,
    isOrganizer: world.isOrganizer,
    cancelled: world.cancelled,
    intent: world.intent,
  });

/** What an action sends to either side. */
export const sends = (action: Action): boolean => {
  switch (action.do) {
    case 'settle':
    case 'wait':
    case 'leave-event':
    case 'ask':
      return false;
    case 'change':
      return Object.keys({ ...action.change, ...action.toBooking }).length > 0;
    case 'create':
    case 'remove':
    case 'decline':
    case 'cancel-booking':
    case 'detach':
      return true;
  }
};

export function carryOut(world: World, action: Action, rewrite: (item: Item) => Item): World {
  const done = { ...world, intent: null };
  switch (action.do) {
    case 'create': {
      const event = rewrite(action.item);
      return {
        ...done,
        event,
        agreed: world.booking,
        outlookBase: event,
        hasEvent: true,
        isOrganizer: true,
        cancelled: false,
      };
    }
    case 'change':
      return changed(done, action, rewrite);
    case 'remove':
      return action.as === 'cancelled'
        ? { ...done, event: 'absent', outlookBase: null, cancelled: true }
        : { ...done, event: 'absent', outlookBase: null, agreed: null, hasEvent: false };
    case 'decline':
      return { ...done, event: 'absent', outlookBase: null, cancelled: true };
    case 'cancel-booking':
      return { ...done, booking: null, agreed: null, outlookBase: null, cancelled: true };
    case 'detach':
      return {
        ...done,
        event: 'absent',
        hasEvent: false,
        isOrganizer: true,
        agreed: null,
        outlookBase: null,
      };
    case 'leave-event':
      return { ...done, outlookBase: null, cancelled: true };
    case 'ask':
    case 'wait':
      return world;
    case 'settle':
      if (action.as === 'synced')
        return {
          ...done,
          agreed: world.booking ?? world.agreed,
          outlookBase: shownBy(world),
        };
      if (action.as === 'cancelled') return { ...done, outlookBase: null, cancelled: true };
      return action.as === 'shadowed'
        ? { ...done, hasEvent: false, agreed: null, cancelled: false }
        : { ...done, hasEvent: false, forgotten: true };
  }
}

const shownBy = ({ event, outlookBase }: World) => (typeof event === 'string' ? outlookBase : event);

function changed(
  world: World,
  action: Extract<Action, { do: 'change' }>,
  rewrite: (item: Item) => Item,
): World {
  const shown = shownBy(world)!;
  const written = rewrite({ ...shown, ...pick(action.item, Object.keys(action.change)) });
  // the booking system first; what it changed itself goes to Outlook in the next round
  const first = Object.keys(action.toBooking).length > 0;
  const booking = { ...world.booking!, ...action.toBooking };
  const later = first ? [...Object.keys(action.change), ...action.open] : action.open;
  const event = first ? shown : { ...shown, ...pick(written, Object.keys(action.change)) };
  const open = (base: ItemChange | null) => pick(base ?? {}, later);
  return {
    ...world,
    booking,
    event,
    agreed: { ...without(booking, later), ...open(world.agreed) },
    outlookBase: { ...event, ...open(world.outlookBase) },
  };
}

const without = (item: Item, fields: readonly string[]): ItemChange =>
  pick(
    item,
    itemFields.filter((field) => !fields.includes(field)),
  );

/** Decides and carries out, round after round; at most `rounds` of them may send anything. */
export function settle(world: World, setup: Setup, rewrite: (item: Item) => Item, rounds: number) {
  const actions: Action[] = [];
  let now = world;
  for (let round = 0; round < rounds; round += 1) {
    const action = decide(sidesOf(now, setup));
    actions.push(action);
    now = carryOut(now, action, rewrite);
    if (now.forgotten) break;
  }
  return { world: now, actions };
}
