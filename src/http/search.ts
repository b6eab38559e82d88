/** Any reservation or event by what a person knows of it. */
import { createRoute, z } from '@hono/zod-openapi';
import type { createSearch, SearchResult } from '../sync/report/search.ts';
import { answeredId, answers, instantOrNull, limit, newRoutes, text } from './schema.ts';
import { shownItem, shownSide } from './sides.ts';

export interface SearchParts {
  readonly search: ReturnType<typeof createSearch>;
}

const question = text(2_000).openapi({
  example: 'Korprøve on Thursday',
  description:
    'A title, a person, a room, a date (Thursday, tomorrow, 17 May, 17.5., 2026-05-17, week 50, in English or Norwegian), a time ' +
    '(18:30), a reservation (event/123, or 123), the id of an event in Outlook or its address in Outlook on the web; or several ' +
    'of them. Case and accents do not matter, and typing errors are forgiven.',
});

const result = z
  .object({
    mapping_id: z.number().int().nullable().openapi({
      description: 'Null: the reservation is in no room that is kept equal, or outside of the window.',
    }),
    reservation_type: z.string().nullable(),
    reservation_id: answeredId.nullable(),
    resource_id: z.number().int(),
    room: z.string(),
    title: z.string().nullable(),
    organizer: z.string().nullable(),
    starts_at: instantOrNull,
    ends_at: instantOrNull,
    status: z.string().openapi({ description: 'Its sync_status; unmapped: it has no mapping.' }),
    outlook_event_id: z.string().nullable(),
    url: z
      .string()
      .nullable()
      .openapi({ description: 'Where the booking system shows it, if its adapter says so.' }),
    outlook: shownItem.openapi({ description: 'As Outlook showed it when it was last read.' }),
    explain: z.string().nullable().openapi({ example: '/mappings/1/explain' }),
  })
  .openapi('SearchResult');

const searchRoute = createRoute({
  method: 'get',
  path: '/search',
  tags: ['Search'],
  summary: 'Find reservations and events by title, person, room, date or id',
  request: { query: z.object({ q: question, limit: limit(50) }) },
  responses: answers(
    'The best matches first, of equal ones the nearest to now.',
    z.object({
      success: z.literal(true),
      query: z.string(),
      timezone: z.string(),
      understood: z.object({
        text: z.string().openapi({ description: 'The words that must match, without case and accents.' }),
        date: z.string().nullable().openapi({ description: 'In `timezone`; the first of several days.' }),
        to: z.string().nullable().openapi({ description: 'The last day; null: there is no date.' }),
        time: z.string().nullable(),
        reservation_type: z.string().nullable(),
        reservation_id: answeredId.nullable(),
      }),
      remark: z.string().nullable().openapi({ description: 'Where it is not quite what was asked for.' }),
      count: z.number().int().openapi({ description: 'How many are listed here.' }),
      total: z.number().int().openapi({ description: 'How many match.' }),
      results: z.array(result),
    }),
  ),
});

export const searchRoutes = ({ search }: SearchParts) =>
  newRoutes().openapi(searchRoute, async (c) => {
    const { q, limit: most } = c.req.valid('query');
    return c.json(searched(q, await search.search(q, most)), 200);
  });

/** The answer of the endpoint, which the command prints too. */
export function searched(query: string, found: Awaited<ReturnType<SearchParts['search']['search']>>) {
  const { words, days, time, reservation } = found.understood;
  return {
    success: true as const,
    query,
    timezone: found.timezone,
    understood: {
      text: words.join(' '),
      date: days?.from ?? null,
      to: days?.to ?? null,
      time,
      reservation_type: reservation?.type ?? null,
      reservation_id: reservation?.id ?? null,
    },
    remark: found.remark,
    count: found.results.length,
    total: found.total,
    results: found.results.map(printed),
  };
}

const printed = (one: SearchResult) => ({
  ...one,
  outlook: shownSide(one.outlook),
  explain: one.mapping_id === null ? null : `/mappings/${one.mapping_id}/explain`,
});
