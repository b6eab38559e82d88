/**
 * The OpenAPI 3.1 document: the descriptions of the routes, plus the parts common to all of them: operation ids for generated
 * clients, the groups in the order of their use, and the refusals of the middleware before a route.
 */
import type { OpenAPIHono } from '@hono/zod-openapi';
import packageJson from '../../package.json' with { type: 'json' };
import { problemAnswer } from './schema.ts';

/** The groups, most used first. Every tag of a route must be here. */
const groups = {
  Search: 'Search for reservations and events.',
  Rooms:
    'The mapping of resources to mailboxes, the state of each room, its day and week, and its removals held by the brake.',
  Conflicts: 'Conflicts that a person has to decide.',
  Undo: 'Revert the changes since a given time.',
  Mappings: 'One reservation in one room: its state and its history.',
  Activity: 'Recent and current changes, and their latency.',
  Plan: 'The changes that a sync would make.',
  Alerts: 'Problems that need attention.',
  Health: 'Liveness, readiness and state.',
  Sync: 'Immediate sync from the booking system to Outlook.',
  Imports: 'Immediate sync from Outlook to the booking system.',
  Cancellations: 'Cancellations on one side that the other side does not have yet.',
  Polling: 'Polling of calendars for changes.',
  Webhooks: 'Notifications from Microsoft Graph.',
  Outlook: 'The directory of the tenant.',
  Dashboard: 'The web page.',
  Login: 'Browser sessions.',
  Description: 'This description.',
} as const;

interface Operation {
  operationId?: string;
  readonly security?: readonly object[];
  readonly responses: Record<string, unknown>;
}

/** Every status from 400 on that an operation does not list is a Problem. */
export function descriptionOf(app: OpenAPIHono) {
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'outlook-booking-sync',
      version: packageJson.version,
      description:
        'Keeps room bookings and Outlook room calendars equal. Times are ISO 8601 in UTC unless stated otherwise.',
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

/** `GET /rooms/{resource}/day` → `getRoomsByResourceDay`: it depends only on method and path. */
function operationIdOf(method: string, path: string): string {
  const words = path
    .replaceAll(/\{(\w+)\}/g, 'by-$1')
    .split(/[^a-zA-Z0-9]+/)
    .filter((word) => word !== '');
  const name = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
  return `${method}${name || 'Root'}`;
}

/** Refusals by the middleware: key, parameters, size of the body. It does not apply to Microsoft's calls. */
function refusals(method: string, path: string, { security }: Operation): readonly number[] {
  if (path === '/webhook/outlook-notifications') return [431];
  const asksForKey = security?.length !== 0;
  return [400, ...(asksForKey ? [401, 429] : []), ...(method === 'get' ? [] : [403, 413])];
}

const anyProblem = {
  description: 'Any other error: an unknown parameter, a body that is too large, a bug.',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } },
};
