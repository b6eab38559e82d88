import { createClock } from './clock.ts';
import { createControlDesk } from './control.ts';
import type { Mail, TenantCore } from './core.ts';
import { createWebhookPost } from './delivery.ts';
import { forgetTokens } from './delta.ts';
import { createDirectory } from './directory.ts';
import { createFaults, type Faults } from './faults.ts';
import { createFrontDoor } from './front-door.ts';
import { createJournal, type Journalled, type Violation } from './journal.ts';
import { eventsBetween } from './listing.ts';
import type { Attendant, Change, Mailbox } from './mailbox.ts';
import type { StoredEvent } from './event-model.ts';
import { createPeople, snapshot, type People, type TenantEvent } from './people.ts';
import { createRandom } from './random.ts';
import { close, listen, type Behind } from './server.ts';
import { useWebhooks } from './subscription-calls.ts';
import { createSubscriptions, type Webhooks } from './subscriptions.ts';
import { createThrottle } from './throttle.ts';
import { createTokenOffice } from './token-endpoint.ts';

interface MailboxName {
  readonly upn: string;
  readonly name: string;
}

export interface TenantOptions {
  /** 0, the default, takes any free one. */
  readonly port?: number;
  /** Where it listens: this machine only, unless told otherwise. */
  readonly host?: string;
  /** Its address for clients, in links; absent: the address it listens on. */
  readonly origin?: string;
  readonly rooms?: readonly MailboxName[];
  /** Users that invite rooms. */
  readonly people?: readonly MailboxName[];
  readonly latencyMs?: number;
  readonly seed?: number;
  /** Entries the journal keeps; older ones are dropped. */
  readonly journalSize?: number;
}

/**
 * A simulated Microsoft 365 tenant on a port of this machine: identity platform, calendars of rooms and
 * people, delta, subscriptions with real webhooks, throttling and faults. It is strict where Graph is,
 * and where Graph is undocumented it takes the stricter reading.
 */
export interface Tenant extends AsyncDisposable {
  readonly graphBaseUrl: string;
  /** The authority for clients, in place of https://login.microsoftonline.com. */
  readonly authority: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Returns the object id. */
  addRoom(room: MailboxName): string;
  addPerson(person: MailboxName): string;
  /**
   * Deletes a mailbox and makes it anew under its address, empty. The old object id is nobody's from now on, old item ids and
   * delta links are refused (msgraph-sdk-dotnet#199). Returns the new object id.
   */
  renewMailbox(mailbox: string): string;
  /** How a room answers meeting requests from now on. */
  setAttendant(room: string, changes: Partial<Attendant>): void;
  readonly people: People;
  /** Singles, masters and exceptions of a mailbox, by start. Throws for an unknown mailbox. */
  eventsIn(mailbox: string): readonly TenantEvent[];
  /** The events of a calendar in a window: single events and instances of series. ISO instants. */
  calendarOf(mailbox: string, from: string, to: string): readonly TenantEvent[];
  /** The last requests, oldest first. */
  readonly journal: readonly Journalled[];
  readonly violations: readonly Violation[];
  /** Every mail the tenant would have sent to people. */
  readonly mails: readonly Mail[];
  /** The first entry that matches, also an earlier one. Rejects when the signal aborts. */
  until(match: (entry: Journalled) => boolean, signal?: AbortSignal): Promise<Journalled>;
  readonly faults: Faults;
  readonly webhooks: Webhooks;
  /** All bearer tokens so far are refused from now on. */
  revokeTokens(): void;
  /** Client assertions must be signed by one of the registered certificates. PEM. */
  registerCertificate(pem: string): void;
  /** Every delta token of a mailbox gets 410 from now on. */
  forgetDeltaTokens(mailbox: string): void;
  /** Moves the tenant's clock: subscriptions expire, attendants answer, webhooks are retried. */
  advance(ms: number): void;
}

const JOURNAL_SIZE = 100_000;

/** Starts a tenant. Throws if the port is taken. Dispose it to close the port and every connection. */
export async function startTenant(options: TenantOptions = {}): Promise<Tenant> {
  // The port comes first, because answers contain links with the address.
  const opened: { behind?: Behind } = {};
  const { port = 0, host = '127.0.0.1' } = options;
  const { server, origin: own } = await listen({ port, host }, () => {
    if (!opened.behind) throw new Error('the tenant is still starting');
    return opened.behind;
  });
  const origin = options.origin ?? own;
  const { core, post, closeCore } = createCore(origin, options);
  const identity = {
    authority: origin,
    tenantId: core.tenantId,
    clientId: core.clientId,
    clientSecret: `sandbox-${core.random.letters(32)}`,
  };
  const { clock, random, faults, journal, directory } = core;
  const tokens = createTokenOffice({ identity, clock, random, mode: () => faults.tokenMode });
  useWebhooks(core, post);
  const add = (kind: Mailbox['kind'], name: MailboxName) => directory.add({ ...name, kind }).id;
  for (const room of options.rooms ?? []) add('room', room);
  for (const person of options.people ?? []) add('person', person);

  const tenant: Tenant = {
    ...identity,
    graphBaseUrl: core.graphBaseUrl,
    people: createPeople(core),
    journal: journal.entries,
    violations: journal.violations,
    mails: core.mails,
    faults,
    webhooks: core.subscriptions,
    addRoom: (room) => add('room', room),
    addPerson: (person) => add('person', person),
    renewMailbox: (mailbox) => directory.renew(mailbox).id,
    setAttendant(room, changes) {
      const mailbox = directory.get(room);
      mailbox.attendant = { ...mailbox.attendant, ...changes };
    },
    eventsIn: (mailbox) =>
      directory
        .get(mailbox)
        .store.inOrder()
        .flatMap((event) => [event, ...(event.series?.exceptions.values() ?? [])])
        .map(snapshot),
    calendarOf: (mailbox, from, to) =>
      eventsBetween(directory.get(mailbox), Date.parse(from), Date.parse(to)).map(snapshot),
    until: (match, signal) => journal.until(match, signal),
    revokeTokens: () => tokens.revokeAll(),
    registerCertificate: (pem) => tokens.registerCertificate(pem),
    forgetDeltaTokens: (mailbox) => forgetTokens(directory.get(mailbox)),
    advance: (ms) => clock.advance(ms),
    async [Symbol.asyncDispose]() {
      await close(server);
      await closeCore();
    },
  };
  const door = createFrontDoor(core, createThrottle(journal, clock));
  opened.behind = { core, door, tokens, control: createControlDesk(tenant, journal) };
  return tenant;
}

function createCore(origin: string, options: TenantOptions) {
  const clock = createClock();
  const random = createRandom(options.seed ?? 1);
  const tenantId = random.guid();
  const post = createWebhookPost(clock, random);
  const findMailbox = (name: string) => directory.find(name);
  const faults = createFaults({ random, initial: { latencyMs: options.latencyMs ?? 0 }, findMailbox });
  const bumping = new Set<string>();
  const changed = (mailbox: Mailbox, event: StoredEvent, change: Change) => {
    subscriptions.changed(mailbox, event, change);
    const { etagBumpAfterMs } = faults.switchesFor(mailbox.id);
    if (etagBumpAfterMs === null || change.type === 'deleted' || bumping.has(event.stem)) return;
    bumping.add(event.stem);
    clock.after(etagBumpAfterMs, () => {
      const still = mailbox.store.byStem(event.stem);
      if (still) mailbox.store.change(still, {});
      bumping.delete(event.stem);
    });
  };
  const directory = createDirectory({ random, now: () => clock.now(), changed });
  const subscriptions = createSubscriptions({
    clock,
    random,
    tenantId,
    post,
    switchesFor: (mailboxId) => faults.switchesFor(mailboxId),
    findMailbox,
  });
  const core: TenantCore = {
    origin,
    graphBaseUrl: `${origin}/v1.0`,
    tenantId,
    clientId: random.guid(),
    clock,
    random,
    directory,
    journal: createJournal(options.journalSize ?? JOURNAL_SIZE),
    faults,
    subscriptions,
    mails: [],
  };
  const closeCore = async () => {
    clock.stop();
    await post.close();
  };
  return { core, post, closeCore };
}
