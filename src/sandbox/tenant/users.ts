import type { GraphAnswer, GraphRequest, TenantCore } from './core.ts';
import { asMembers } from './event-fields.ts';
import { GraphError, badRequest, invalidParameter } from './graph-error.ts';
import { folderToken, printId, readId } from './ids.ts';
import { isNamedBy, type Mailbox } from './mailbox.ts';
import { checkOptions } from './query.ts';
import { supportedZoneNames } from './zones.ts';

const denied = () =>
  new GraphError(403, 'Authorization_RequestDenied', 'Insufficient privileges to complete the operation.');

/** GET /users/{id}: needs User.Read.All, which an app that only books rooms may lack. */
export function readUser(core: TenantCore, mailbox: Mailbox, request: GraphRequest): GraphAnswer {
  checkOptions(request.query, ['$select']);
  if (!core.faults.switchesFor(mailbox.id).mayReadUsers) throw denied();
  const user: Readonly<Record<string, unknown>> = {
    id: mailbox.id,
    displayName: mailbox.name,
    mail: mailbox.upn,
    userPrincipalName: mailbox.upn,
    accountEnabled: mailbox.kind === 'person',
    userType: 'Member',
  };
  const select = request.query.get('$select')?.split(',') ?? [
    'id',
    'displayName',
    'mail',
    'userPrincipalName',
  ];
  const unknown = select.find((name) => !(name in user));
  if (unknown !== undefined)
    throw badRequest(`Could not find a property named '${unknown}' on type 'microsoft.graph.user'.`);
  return {
    status: 200,
    body: {
      '@odata.context': `${core.graphBaseUrl}/$metadata#users/$entity`,
      ...Object.fromEntries(select.map((name) => [name, user[name]])),
    },
  };
}

/** GET /users/{id}/outlook/supportedTimeZones, with or without the kind of names wanted. */
export function supportedTimeZones(
  core: TenantCore,
  request: GraphRequest,
  parameter: string | undefined,
): GraphAnswer {
  checkOptions(request.query, []);
  if (!core.faults.switchesFor(undefined).mayReadUsers) throw denied();
  const [, kind = 'windows'] = /'(\w+)'/.exec(parameter ?? '') ?? [];
  const isIana = kind.toLowerCase() === 'iana';
  if (!isIana && kind.toLowerCase() !== 'windows') throw badRequest(`Unknown time zone standard '${kind}'.`);
  const names = isIana ? supportedZoneNames.iana : supportedZoneNames.windows;
  return { status: 200, body: { value: names.map((alias) => ({ alias, displayName: alias })) } };
}

const KINDS = ['restId', 'restImmutableEntryId'];
/** Microsoft: user-translateExchangeIds, inputIds. */
const MOST_IDS = 1_000;

/** POST /users/{id}/translateExchangeIds */
export function translateIds(_core: TenantCore, mailbox: Mailbox, request: GraphRequest): GraphAnswer {
  checkOptions(request.query, []);
  const { inputIds, sourceIdType, targetIdType } = asMembers(request.body);
  if (!Array.isArray(inputIds) || inputIds.length === 0 || inputIds.length > MOST_IDS) {
    throw invalidParameter(`inputIds holds 1 to ${MOST_IDS} ids.`);
  }
  for (const kind of [sourceIdType, targetIdType]) {
    if (!KINDS.includes(String(kind))) throw invalidParameter(`Id type '${String(kind)}' is not simulated.`);
  }
  const value = inputIds.map((sourceId: unknown) => {
    const id = readId(String(sourceId));
    const item = id && mailbox.store.byStem(id.stem);
    if (!id || !item || !isNamedBy(item, id) || id.immutable !== (sourceIdType === KINDS[1])) {
      return { sourceId, errorDetails: { code: 'ErrorInvalidIdMalformed', message: 'Id is malformed.' } };
    }
    const immutable = targetIdType === KINDS[1];
    return { sourceId, targetId: printId({ ...id, immutable, folder: folderToken(item.folder) }) };
  });
  return { status: 200, body: { value } };
}
