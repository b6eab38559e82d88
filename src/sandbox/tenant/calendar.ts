import type { GraphAnswer, GraphRequest, TenantCore } from './core.ts';
import { asMembers } from './event-fields.ts';
import { readExtendedProperties } from './extended-properties.ts';
import { GraphError, badRequest } from './graph-error.ts';
import type { Mailbox } from './mailbox.ts';
import { checkOptions, readShowing } from './query.ts';

/** The default calendar as Graph answers it (Microsoft: calendar), in part. */
const viewCalendar = (core: TenantCore, { id, name, upn }: Mailbox) => ({
  '@odata.context': `${core.graphBaseUrl}/$metadata#users('${id}')/calendar/$entity`,
  id: `calendar-of-${id}`,
  name: 'Calendar',
  color: 'auto',
  isDefaultCalendar: true,
  canShare: false,
  canViewPrivateItems: true,
  canEdit: true,
  isRemovable: false,
  owner: { name, address: upn },
});

/** GET /users/{id}/calendar: extended properties only when expanded, each asked for by its id. */
export function readCalendar(core: TenantCore, mailbox: Mailbox, request: GraphRequest): GraphAnswer {
  checkOptions(request.query, ['$expand']);
  refuseProperties(core, mailbox);
  const { properties = [] } = readShowing(request.query);
  const found = properties.flatMap((key) => mailbox.calendarProperties.get(key) ?? []);
  return {
    status: 200,
    body: {
      ...viewCalendar(core, mailbox),
      ...(found.length > 0
        ? { singleValueExtendedProperties: found.map(({ id, value }) => ({ id, value })) }
        : {}),
    },
  };
}

/**
 * PATCH /users/{id}/calendar with extended properties and nothing else. They are overwritten and never removed
 * (msgraph-sdk-dotnet#719), and the answer does not show them (msgraph-sdk-dotnet#2908).
 */
export function updateCalendar(core: TenantCore, mailbox: Mailbox, request: GraphRequest): GraphAnswer {
  checkOptions(request.query, []);
  const { singleValueExtendedProperties: properties, ...rest } = asMembers(request.body);
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    throw badRequest(`The property '${unknown}' of a default calendar is not changed here.`);
  if (properties === undefined) throw badRequest('Empty payload.');
  refuseProperties(core, mailbox);
  mailbox.calendarProperties = readExtendedProperties(properties, mailbox.calendarProperties);
  return { status: 200, body: viewCalendar(core, mailbox) };
}

function refuseProperties(core: TenantCore, mailbox: Mailbox): void {
  const status = core.faults.switchesFor(mailbox.id).calendarRefusal;
  if (status === null) return;
  const code =
    status === 403 ? 'ErrorAccessDenied' : status === 400 ? 'ErrorInvalidRequest' : 'NotImplemented';
  throw new GraphError(status, code, 'Extended properties of a calendar are refused.');
}
