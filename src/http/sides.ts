/** An item of one side, in the API's form. */
import { z } from '@hono/zod-openapi';
import type { Item } from '../item.ts';
import { instant } from './schema.ts';

/** Null: it does not exist. */
export const shownItem = z
  .object({
    starts_at: instant,
    ends_at: instant,
    all_day: z.boolean(),
    title: z.string(),
    description: z.string(),
    is_private: z.boolean(),
  })
  .nullable();

export const shownSide = (item: Item | null) =>
  item === null
    ? null
    : {
        starts_at: item.startsAt,
        ends_at: item.endsAt,
        all_day: item.allDay,
        title: item.title,
        description: item.description,
        is_private: item.isPrivate,
      };
