/** A search by extended properties, without the events of other reservations. */
import type { Queryable } from '../../database.ts';
import { queryRows } from '../../query.ts';
import type { OutlookSide } from '../outlook-side.ts';

/**
 * The same Outlook, whose search leaves out events that our tables give to another reservation: a copy of an event carries its
 * properties, was imported as a reservation of its own, and must stay with it.
 */
export function withoutMappedEvents(db: Queryable, outlook: OutlookSide): OutlookSide {
  return {
    ...outlook,
    async find(room, properties, signal) {
      const found = await outlook.find(room, properties, signal);
      if (found.length === 0) return found;
      const rows = await queryRows<{ id: string }>(db, {
        name: 'mapped_events',
        text: `SELECT m.outlook_event_id AS id FROM bridge_resource_mappings r JOIN bridge_mappings m ON m.outlook_item_id = r.outlook_item_id
          WHERE $1 IN (r.outlook_item_id, r.outlook_object_id) AND m.outlook_event_id = ANY ($2) AND m.sync_status <> 'cancelled' AND m.reservation_id IS NOT NULL
            AND (m.reservation_type, m.reservation_id) <> ($3, $4)`,
        values: [room.mailbox, found.map((event) => event.id), properties.type, properties.id],
      });
      const mapped = new Set(rows.map((row) => row.id));
      return found.filter((event) => !mapped.has(event.id));
    },
  };
}
