/** A plan as the API and `plan --json` print it: names as in the database, times ISO 8601 in UTC. */
import type { Plan, RoomPlan } from './plan-summary.ts';
import type { Planned } from './plan-words.ts';

export const printedPlan = (plan: Plan) => ({
  complete: plan.complete,
  differs: plan.differs,
  counts: plan.counts,
  equal: plan.equal,
  held: plan.held,
  count: plan.rooms.length,
  rooms: plan.rooms.map(printedRoom),
});

const printedRoom = (room: RoomPlan) => ({
  resource_id: room.resourceId,
  room: room.room,
  outlook_item_id: room.mailbox,
  sync_direction: room.direction,
  settings: [...room.settings],
  state: room.state,
  error: room.error,
  hint: room.hint,
  counts: room.counts,
  equal: room.equal,
  held: room.held,
  items: room.items.map(printedItem),
});

const printedItem = (item: Planned) => ({
  action: item.kind,
  title: item.title,
  starts_at: item.startsAt,
  ends_at: item.endsAt,
  reservation_type: item.reservation?.type ?? null,
  reservation_id: item.reservation?.id ?? null,
  outlook_event_id: item.eventId,
  fields: [...item.fields],
  why: item.why,
  held: item.held,
});
