/**
 * The OpenAPI 3.1 document: what the routes say of themselves, and what holds for all of them: the name of each operation for
 * clients that are made from it, the groups in the order in which people need them, and how whatever stands before a route refuses.
 */
import type { OpenAPIHono } from '@hono/zod-openapi';
import packageJson from '../../package.json' with { type: 'json' };
import { problemAnswer } from './schema.ts';

/** The groups, those that people use first. Every tag of a route is here. */
const groups = {
  Search: 'Any reservation or event, by what people know of it.',
  Rooms:
    'Which resource is which mailbox, how each room is, its day and week, and what the brake holds there.',
  Conflicts: 'What waits for a person to decide.',
  Undo: 'What was done since a moment, taken back.',
  Mappings: 'One reservation in one room: how it stands, and its life.',
  Activity: 'What was done, how long it took, and what is being done now.',
  Plan: 'What a sync would do.',
  Alerts: 'What somebody should see to.',
  Health: 'Is it alive, ready and well.',
  Sync: 'From the booking system to Outlook, now.',
  Imports: 'From Outlook to the booking system, now.',
  Cancellations: 'What was cancelled on one side and not yet on the other.',
  Polling: 'Asking calendars for changes.',
  Webhooks: 'Being told of changes by Microsoft.',
  Outlook: 'What the directory of the tenant knows.',
  Dashboard: 'The page.',
  Login: 'The session of a browser.',
  Description: 'This description.',
} as const;

interface Operation {
  operationId?: string;
  readonly security?: readonly object[];
  readonly responses: Record<string, unknown>;
}

/** What an operation does not list, any status from 400 on, is a Problem. */
export function descriptionOf(app: OpenAPIHono) {
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'outlook-booking-sync',
      version: packageJson.version,
      description:
        'Keeps room bookings and Outlook room calendars equal. Times are ISO 8601 in UTC where nothing else is said.',
      license: { name: packageJson.license, url: `https://spdx.org/licenses/${packageJson.license}` },
    },
    servers: [{ url: '/', description: 'The daemon that serves this description' }],
    security: [{ key: [] }, { bearer: [] }, { session: [] }],
    tags: Object.entries(groups).map(([name, description]) => ({ name, description })),
  });
  for (const [path, methods] of Object.entries(document.paths ?? {}))
    for (const [method, operation] of Object.entries(methods as Record<string, Operation>)) {
      operation.operationId ??= operationIdOf(method, path);
      for (const status of refusals(method, path, operation))
        operation.responses[status] ??= problemAnswer(status);
      operation.responses['default'] ??= anyProblem;
    }
  return document;
}

/** `GET /rooms/{resource}/day` → `getRoomsByResourceDay`: it changes only with the address. */
function operationIdOf(method: string, path: string): string {
  const words = path
    .replaceAll(/\{(\w+)\}/g, 'by-$1')
    .split(/[^a-zA-Z0-9]+/)
    .filter((word) => word !== '');
  const name = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
  return `${method}${name || 'Root'}`;
}

/** Before every route: who may ask, what is asked, and how much is sent. Microsoft's calls meet none of it. */
function refusals(method: string, path: string, { security }: Operation): readonly number[] {
  if (path === '/webhook/outlook-notifications') return [431];
  const asksForKey = security?.length !== 0;
  return [400, ...(asksForKey ? [401, 429] : []), ...(method === 'get' ? [] : [403, 413])];
}

const anyProblem = {
  description: 'What else went wrong: an unknown parameter, a body too large, a bug.',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } },
};
