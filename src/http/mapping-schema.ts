/** The fields of a mapping that several endpoints share. */
import { z } from '@hono/zod-openapi';
import { answeredId, instantOrNull } from './schema.ts';

/** Identity and reason. */
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

/** ... with times and attempts. */
export const workColumns = {
  ...mappingColumns,
  priority_level: z.number().int(),
  starts_at: instantOrNull,
  ends_at: instantOrNull,
  attempt: z.number().int(),
};
