import { GraphError } from './graph-error.ts';
import type { StoredEvent } from './event-model.ts';
import { MailboxStore, type Attendant, type Change, type Mailbox } from './mailbox.ts';
import type { Random } from './random.ts';

/** The default answer of a new room to meeting requests. */
const usualAttendant: Attendant = {
  mode: 'autoAccept',
  afterMs: 1_500,
  allowConflicts: false,
  removeCancelled: false,
  keepDeclined: false,
};

/** The mailboxes of the tenant, by object id or by address in any letter case. */
export interface Directory {
  add(mailbox: { upn: string; name: string; kind: Mailbox['kind'] }): Mailbox;
  /** A mailbox is deleted and made anew under its address: another object id, an empty calendar, and its item ids are foreign. */
  renew(idOrUpn: string): Mailbox;
  find(idOrUpn: string): Mailbox | undefined;
  /** Throws Graph's 404 for an unknown mailbox. */
  get(idOrUpn: string): Mailbox;
  /** The same, in the words of the directory instead of the mailbox server. */
  getUser(idOrUpn: string): Mailbox;
  rooms(): readonly Mailbox[];
}

export function createDirectory(options: {
  random: Random;
  now: () => number;
  changed: (mailbox: Mailbox, event: StoredEvent, change: Change) => void;
}): Directory {
  const { random, now, changed } = options;
  const byName = new Map<string, Mailbox>();
  const rooms: Mailbox[] = [];
  const find = (idOrUpn: string) => byName.get(idOrUpn.toLowerCase());
  const get = (idOrUpn: string): Mailbox => {
    const mailbox = find(idOrUpn);
    if (mailbox) return mailbox;
    throw new GraphError(404, 'ErrorInvalidUser', `The requested user '${idOrUpn}' is invalid.`);
  };
  const add: Directory['add'] = ({ upn, name, kind }) => {
    if (find(upn)) throw new Error(`there is a mailbox ${upn} already`);
    const key = random.letters(12);
    const mailbox: Mailbox = {
      id: random.guid(),
      upn,
      name,
      kind,
      key,
      attendant: usualAttendant,
      calendarProperties: new Map(),
      store: new MailboxStore({
        key,
        random,
        now,
        changed: (event, change) => changed(mailbox, event, change),
      }),
    };
    byName.set(mailbox.id, mailbox).set(upn.toLowerCase(), mailbox);
    if (kind === 'room') rooms.push(mailbox);
    return mailbox;
  };
  return {
    add,
    renew(idOrUpn) {
      const old = get(idOrUpn);
      byName.delete(old.id);
      byName.delete(old.upn.toLowerCase());
      if (old.kind === 'room') rooms.splice(rooms.indexOf(old), 1);
      return add(old);
    },
    find,
    get,
    getUser(idOrUpn) {
      const mailbox = find(idOrUpn);
      if (mailbox) return mailbox;
      const message = `Resource '${idOrUpn}' does not exist or one of its queried reference-property objects are not present.`;
      throw new GraphError(404, 'Request_ResourceNotFound', message);
    },
    rooms: () => rooms,
  };
}
