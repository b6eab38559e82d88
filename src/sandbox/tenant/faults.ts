import type { GraphRequest } from './core.ts';
import { GraphError } from './graph-error.ts';
import type { Mailbox } from './mailbox.ts';
import type { Random } from './random.ts';

/** Refusals observed from Graph, by subject. */
const refusals = {
  throttled: [429, 'ApplicationThrottled', 'Application is over its MailboxConcurrency limit.'],
  tooManyRequests: [429, 'TooManyRequests', 'Too many requests.'],
  activityLimitReached: [429, 'activityLimitReached', 'The app or user has been throttled.'],
  internalError: [500, 'InternalServerError', 'The server encountered an internal error.'],
  serviceUnavailable: [503, 'ServiceUnavailable', 'The service is unavailable.'],
  mailboxStoreUnavailable: [
    503,
    'ErrorMailboxStoreUnavailable',
    'The mailbox database is temporarily unavailable.',
  ],
  mailboxInfoStale: [503, 'MailboxInfoStale', 'Mailbox info is stale.'],
  gatewayTimeout: [504, 'UnknownError', ''],
  quotaExceeded: [403, 'ErrorQuotaExceeded', 'The mailbox has exceeded its quota.'],
  insufficientStorage: [507, 'QuotaExceededException', 'The mailbox is full.'],
  cannotDelete: [403, 'ErrorCannotDeleteObject', 'The delete operation is not supported for this object.'],
  accessDenied: [403, 'ErrorAccessDenied', 'Access to OData is disabled.'],
  noMailbox: [404, 'MailboxNotEnabledForRESTAPI', 'REST API is not yet supported for this mailbox.'],
  itemNotFound: [404, 'ErrorItemNotFound', 'The specified object was not found in the store.'],
  irresolvableConflict: [
    412,
    'ErrorIrresolvableConflict',
    'The send or update operation could not be performed because the change key passed in the request does not ' +
      'match the current change key for the item.',
  ],
  unauthenticated: [401, 'InvalidAuthenticationToken', 'Access token has expired or is not yet valid.'],
  syncStateNotFound: [410, 'SyncStateNotFound', 'The sync state generation is not found.'],
} as const satisfies Readonly<Record<string, readonly [number, string, string]>>;

type Refusal = keyof typeof refusals;

/** Kinds of calls that may be refused while all others work. */
export type RefusedKind = 'delta' | 'create' | 'change' | 'delete';

/** Which requests a fault meets. All that is given must hold. */
interface FaultMatch {
  readonly method?: string;
  /** Source of a regular expression over path and query as sent, without `/v1.0`. */
  readonly path?: string;
  /** Object id or address. */
  readonly mailbox?: string;
  /** How the request names its mailbox. */
  readonly addressedBy?: 'id' | 'upn';
}

export type FaultAction =
  | {
      /** Nothing is applied; the answer is a refusal. `retryAfter` is sent as given, `retryAfterDateMs` as a date. */
      readonly do: 'refuse';
      readonly as?: Refusal;
      readonly status?: number;
      readonly code?: string;
      readonly message?: string;
      readonly retryAfter?: number | string;
      readonly retryAfterDateMs?: number;
    }
  /** Nothing is applied, the connection breaks. */
  | { readonly do: 'drop' }
  /** The request is applied, then the connection breaks: the answer is lost. */
  | { readonly do: 'dropAnswer' }
  /** The request is applied, its answer comes that much later. */
  | { readonly do: 'delayAnswer'; readonly ms: number }
  /** The request waits that long before anything happens. */
  | { readonly do: 'delay'; readonly ms: number }
  /** Nothing is applied and nothing is answered, until the client gives up. */
  | { readonly do: 'hang' };

interface Fault {
  readonly match?: FaultMatch;
  /** How many requests it meets; for ever when absent. */
  readonly times?: number;
  /** Of meeting a request that matches, 0 to 1. */
  readonly probability?: number;
  readonly action: FaultAction;
}

interface ActiveFault extends Fault {
  readonly id: string;
  readonly hits: number;
}

/** Standing behaviour. Every one may be set for the tenant or for one mailbox. */
export interface Switches {
  /** The duration of each request, plus up to `latencyJitterMs`. */
  readonly latencyMs: number;
  readonly latencyJitterMs: number;
  /** 4 in flight per app and mailbox (Microsoft: throttling-limits, Outlook). */
  readonly concurrency: number;
  readonly concurrencyRetryAfter: number;
  /** 10,000 requests per 10 minutes per app and mailbox; off unless asked for. */
  readonly requestsPerTenMinutes: number | null;
  readonly tellExistingEventId: boolean;
  /** 400 and 409 were both seen. */
  readonly duplicateTransactionStatus: 400 | 409;
  readonly rememberDeletedTransactions: boolean;
  /** Mailboxes may have online meetings; without, `isOnlineMeeting` is taken and nothing comes of it. */
  readonly onlineMeetings: boolean;
  /** A write bumps the change key once more that much later, with nothing edited (msgraph docs#14632). */
  readonly etagBumpAfterMs: number | null;
  /** False: GET /users/{id} answers 403, as without User.Read.All. */
  readonly mayReadUsers: boolean;
  readonly mayReadPlaces: boolean;
  /** The status with which extended properties of a calendar are refused; null: they are kept. */
  readonly calendarRefusal: 400 | 403 | 404 | 405 | 501 | null;
  /** Changes younger than this do not show in delta yet (Microsoft: delta-query-overview). */
  readonly deltaLagMs: number;
  /** How many delta tokens of a mailbox are alive; older ones get 410 (msgraph docs#2350). */
  readonly deltaGenerations: number;
  readonly deltaEmptyFirstPage: boolean;
  /** Rows come twice, and old ones come again. */
  readonly deltaRepeats: boolean;
  /** Ever new nextLinks and no deltaLink (msgraph-sdk-dotnet#3082). */
  readonly deltaEndless: boolean;
  /** Masters are left out of delta (keeper.sh#409). */
  readonly deltaOmitsMasters: boolean;
  /** A deleted occurrence leaves nothing at all in delta, not even the master's row. */
  readonly deltaSilentOccurrences: boolean;
  /** `empty`: delta shows nothing. `removed`: it reports everything as deleted. The store is unchanged. */
  readonly deltaLies: 'empty' | 'removed' | null;
  /** How an item id of another mailbox is refused: 404 ErrorItemNotFound, or 400 ErrorInvalidMailboxItemId; both were seen. */
  readonly foreignIdStatus: 400 | 404;
  /** DeltaLinks name this origin instead of the tenant's, as behind a gateway. */
  readonly deltaLinkOrigin: string | null;
  /** `/instances` leaves out the exceptions that delta and views show (msgraph docs#15611). */
  readonly instancesOmitExceptions: boolean;
  /** A changed pattern gives all instances of a series new ids (odoo PR#271529); else instances with unchanged dates keep theirs. */
  readonly renameInstances: boolean;
  /**
   * Kinds of calls that are refused while all others work: delta (docs-contrib#6596), creates (docs#6546), deletes
   * (msgraph-sdk-dotnet#3047).
   */
  readonly refuses: Readonly<Partial<Record<RefusedKind, Refusal>>>;
  /** Notifications that never leave, 0 to 1. */
  readonly notifyLose: number;
  readonly notifyDouble: number;
  /** Within one burst, notifications leave in random order. */
  readonly notifyShuffle: boolean;
  readonly notifyDelayMs: number;
  /** Webhooks may be plain http on this machine. Graph takes https alone. */
  readonly allowHttpWebhooks: boolean;
}

const usualSwitches: Switches = {
  latencyMs: 0,
  latencyJitterMs: 0,
  concurrency: 4,
  concurrencyRetryAfter: 1,
  requestsPerTenMinutes: null,
  tellExistingEventId: true,
  duplicateTransactionStatus: 400,
  rememberDeletedTransactions: true,
  onlineMeetings: true,
  etagBumpAfterMs: null,
  mayReadUsers: true,
  mayReadPlaces: true,
  calendarRefusal: null,
  deltaLagMs: 0,
  deltaGenerations: 4,
  deltaEmptyFirstPage: false,
  deltaRepeats: false,
  deltaEndless: false,
  deltaOmitsMasters: false,
  deltaSilentOccurrences: false,
  deltaLies: null,
  foreignIdStatus: 404,
  deltaLinkOrigin: null,
  instancesOmitExceptions: false,
  renameInstances: false,
  refuses: {},
  notifyLose: 0,
  notifyDouble: 0,
  notifyShuffle: false,
  notifyDelayMs: 0,
  allowHttpWebhooks: true,
};

/** The behaviour of the token endpoint. */
export interface TokenMode {
  /** Life of a new token; MSAL renews below 300, so a shorter one is asked for at every call. */
  readonly expiresIn: number;
  readonly refuse: null | 'invalid_client' | 'throttled' | 'unavailable' | 'hang';
  readonly retryAfter?: number | string;
  /** The application permissions that a token names: those granted in Entra, none of Exchange's. */
  readonly roles: readonly string[];
}

export interface Faults {
  /** Returns the id of the new fault. The newest fault that matches wins. */
  add(fault: Fault): string;
  remove(id: string): void;
  /** Forgets every fault, switch and token mode. */
  clear(): void;
  readonly active: readonly ActiveFault[];
  /** Changes switches for the whole tenant, or for one mailbox. */
  set(switches: Partial<Switches>, mailbox?: string): void;
  /** Changes the behaviour of the token endpoint. */
  token(mode: Partial<TokenMode>): void;
}

/** The tenant's own side of `Faults`. */
export interface FaultBoard extends Faults {
  switchesFor(mailboxId: string | undefined): Switches;
  readonly tokenMode: TokenMode;
  /** The fault that meets this request, counted as a hit. */
  meeting(
    request: GraphRequest,
    mailbox: Mailbox | undefined,
    named: string | undefined,
  ): FaultAction | undefined;
}

const usualTokenMode: TokenMode = {
  expiresIn: 3_599,
  refuse: null,
  roles: ['Calendars.ReadWrite', 'Place.Read.All'],
};

interface Rule extends Fault {
  readonly id: string;
  readonly pattern: RegExp | undefined;
  hits: number;
}

export function createFaults(options: {
  random: Random;
  initial: Partial<Switches>;
  findMailbox: (idOrUpn: string) => Mailbox | undefined;
}): FaultBoard {
  const { random, initial, findMailbox } = options;
  let rules: Rule[] = [];
  let made = 0;
  let general: Switches = { ...usualSwitches, ...initial };
  let tokenMode = usualTokenMode;
  const particular = new Map<string, Partial<Switches>>();
  let merged = new Map<string, Switches>();

  return {
    get active() {
      return rules.map(({ pattern: _, ...fault }) => fault);
    },
    get tokenMode() {
      return tokenMode;
    },
    add(fault) {
      const id = `fault-${++made}`;
      const pattern = fault.match?.path === undefined ? undefined : new RegExp(fault.match.path, 'i');
      rules = [{ ...fault, id, pattern, hits: 0 }, ...rules];
      return id;
    },
    remove(id) {
      rules = rules.filter((rule) => rule.id !== id);
    },
    clear() {
      rules = [];
      general = { ...usualSwitches, ...initial };
      tokenMode = usualTokenMode;
      particular.clear();
      merged = new Map();
    },
    set(switches, mailbox) {
      refuseUnknown(switches);
      const id = mailbox === undefined ? undefined : findMailbox(mailbox)?.id;
      if (mailbox !== undefined && !id) throw new Error(`there is no mailbox ${mailbox}`);
      if (id) particular.set(id, { ...particular.get(id), ...switches });
      else general = { ...general, ...switches };
      merged = new Map();
    },
    token(mode) {
      tokenMode = { ...tokenMode, ...mode };
    },
    switchesFor(mailboxId) {
      const own = mailboxId === undefined ? undefined : particular.get(mailboxId);
      if (mailboxId === undefined || !own) return general;
      let both = merged.get(mailboxId);
      if (!both) merged.set(mailboxId, (both = { ...general, ...own }));
      return both;
    },
    meeting(request, mailbox, named) {
      const rule = rules.find(
        (one) => meets(one, request, mailbox, named) && random.next() < (one.probability ?? 1),
      );
      if (!rule) return undefined;
      rule.hits++;
      if (rule.hits >= (rule.times ?? Infinity)) rules = rules.filter((one) => one !== rule);
      return rule.action;
    },
  };
}

function refuseUnknown(switches: Partial<Switches>): void {
  const unknown = Object.keys(switches).find((name) => !(name in usualSwitches));
  if (unknown) throw new Error(`there is no switch ${unknown}`);
}

function meets(
  { match, pattern }: Rule,
  request: GraphRequest,
  mailbox: Mailbox | undefined,
  named = '',
): boolean {
  if (!match) return true;
  if (match.method !== undefined && match.method.toUpperCase() !== request.method) return false;
  if (pattern && !pattern.test(request.path + request.search)) return false;
  if (
    match.mailbox !== undefined &&
    ![mailbox?.id, mailbox?.upn.toLowerCase()].includes(match.mailbox.toLowerCase())
  ) {
    return false;
  }
  return match.addressedBy === undefined || match.addressedBy === (named.includes('@') ? 'upn' : 'id');
}

/** Throws where this kind of call is switched off. */
export function refuseKind(switches: Switches, kind: RefusedKind): void {
  const as = switches.refuses[kind];
  if (as !== undefined) throw refusalOf({ do: 'refuse', as });
}

/** The refusal an action asks for. */
export function refusalOf(action: FaultAction & { do: 'refuse' }): GraphError {
  const [status, code, message] = refusals[action.as ?? 'internalError'];
  const { retryAfter, retryAfterDateMs } = action;
  const asDate =
    retryAfterDateMs === undefined ? undefined : new Date(Date.now() + retryAfterDateMs).toUTCString();
  const header = retryAfter ?? asDate;
  return new GraphError(action.status ?? status, action.code ?? code, action.message ?? message, {
    headers: header === undefined ? {} : { 'Retry-After': String(header) },
  });
}
