/** An item as one side shows it, in the words of the API. */
import { z } from '@hono/zod-openapi';
import type { Item } from '../item.ts';
import { instant } from './schema.ts';

/** Null: it is not there. */
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
