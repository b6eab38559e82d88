/** A mapping in an answer, as far as several endpoints print it. */
import { z } from '@hono/zod-openapi';
import { answeredId, instantOrNull } from './schema.ts';

/** What it is of, and why it waits. */
export const mappingColumns = {
  reservation_type: z.string().nullable(),
  reservation_id: answeredId.nullable(),
  resource_id: z.number().int(),
  outlook_item_id: z.string().openapi({ description: 'The mailbox.' }),
  outlook_event_id: z.string().nullable(),
  sync_status: z.string(),
  title: z.string().nullable(),
  error_message: z.string().nullable(),
  hint: z.string().nullable(),
};

/** ... and when it is, and how often it was tried. */
export const workColumns = {
  ...mappingColumns,
  priority_level: z.number().int(),
  starts_at: instantOrNull,
  ends_at: instantOrNull,
  attempt: z.number().int(),
};
