import { GraphError, badRequest } from './graph-error.ts';
import type { StoredEvent } from './event-model.ts';
import { askedKey } from './extended-properties.ts';
import type { MailboxStore } from './mailbox.ts';
import { splitOutside } from './query.ts';
import { readInstant } from './zones.ts';

type Test = (event: StoredEvent) => boolean;

/** One `and` term. Terms that an index answers say which events can match at all. */
interface Term {
  readonly test: Test;
  readonly candidates?: (store: MailboxStore) => readonly StoredEvent[];
}

const ANY = /^singleValueExtendedProperties\/any\((\w+):\s*(.+)\)$/i;
const LITERAL = "'((?:[^']|'')*)'";
const COMPARE = new RegExp(`^([\\w/]+) (eq|ne|ge|gt|le|lt) (?:${LITERAL}|([\\w:.+-]+))$`, 'i');
const STARTS = new RegExp(`^startswith\\(subject,\\s*${LITERAL}\\)$`, 'i');

/**
 * The events of a mailbox that a `$filter` picks: `singleValueExtendedProperties/Any(ep: ep/id eq '…' and
 * ep/value eq '…')` (also ne, contains, startswith) and comparisons of a few plain members, joined by `and`.
 * An equal value is found through an index, so a recovery search costs the same however full the room is.
 */
export function filterEvents(store: MailboxStore, filter: string): readonly StoredEvent[] {
  const terms = splitOutside(filter.trim(), ' and ').map((term) => readTerm(term.trim()));
  const candidates = terms.find((term) => term.candidates)?.candidates?.(store) ?? store.inOrder();
  return candidates.filter((event) => terms.every((term) => term.test(event)));
}

function readTerm(term: string): Term {
  const any = ANY.exec(term);
  if (any) return readPropertyTerm(any[1] ?? '', any[2] ?? '');
  const starts = STARTS.exec(term);
  if (starts) {
    const beginning = unquote(starts[1]).toLowerCase();
    return { test: (event) => event.subject.toLowerCase().startsWith(beginning) };
  }
  const [, member = '', operator = '', quoted, bare] = COMPARE.exec(term) ?? [];
  const value = quoted === undefined ? bare : unquote(quoted);
  if (value === undefined) throw syntaxError(term);
  return { test: compareMember(member, operator.toLowerCase(), value, term) };
}

/** Name of the property case-sensitive, value not (Microsoft: singlevaluelegacyextendedproperty-get). */
function readPropertyTerm(variable: string, expression: string): Term {
  let key: string | undefined;
  let match: ((value: string) => boolean) | undefined;
  let wanted: string | undefined;
  const idTerm = new RegExp(`^${variable}/id eq ${LITERAL}$`, 'i');
  const valueTerm = new RegExp(`^${variable}/value (eq|ne) ${LITERAL}$`, 'i');
  const partTerm = new RegExp(`^(contains|startswith)\\(${variable}/value,\\s*${LITERAL}\\)$`, 'i');
  for (const part of splitOutside(expression, ' and ').map((one) => one.trim())) {
    const id = idTerm.exec(part);
    const value = valueTerm.exec(part) ?? partTerm.exec(part);
    if (id && key === undefined) key = askedKey(unquote(id[1]));
    else if (value && !match) {
      const text = unquote(value[2]).toLowerCase();
      const operator = value[1]?.toLowerCase();
      if (operator === 'eq') wanted = text;
      match = (stored) => matches(operator ?? '', stored.toLowerCase(), text);
    } else throw syntaxError(part);
  }
  if (key === undefined || !match) throw syntaxError(expression);
  const [asked, compare, equal] = [key, match, wanted];
  const test: Test = (event) => {
    const property = event.extended.get(asked);
    return property !== undefined && compare(property.value);
  };
  return equal === undefined ? { test } : { test, candidates: (store) => store.withProperty(asked, equal) };
}

function matches(operator: string, stored: string, text: string): boolean {
  switch (operator) {
    case 'eq':
      return stored === text;
    case 'ne':
      return stored !== text;
    case 'contains':
      return stored.includes(text);
    default:
      return stored.startsWith(text);
  }
}

const MEMBERS: Readonly<Record<string, (event: StoredEvent) => string | number | boolean>> = {
  'start/dateTime': (event) => event.startAt,
  'end/dateTime': (event) => event.endAt,
  createdDateTime: (event) => event.createdAt,
  lastModifiedDateTime: (event) => event.modifiedAt,
  iCalUId: (event) => event.iCalUId,
  subject: (event) => event.subject,
  type: (event) => event.type,
  isCancelled: (event) => event.isCancelled,
  isOrganizer: (event) => event.isOrganizer,
  isAllDay: (event) => event.isAllDay,
};

function compareMember(member: string, operator: string, text: string, term: string): Test {
  const read = MEMBERS[member];
  if (!read) {
    throw new GraphError(400, 'ErrorInvalidProperty', `The property '${member}' does not support filtering.`);
  }
  const value = /dateTime$/i.test(member)
    ? readInstant(text)
    : member.startsWith('is')
      ? text === 'true'
      : text;
  if (value === undefined) throw syntaxError(term);
  switch (operator) {
    case 'eq':
      return (event) => read(event) === value;
    case 'ne':
      return (event) => read(event) !== value;
    case 'ge':
      return (event) => read(event) >= value;
    case 'gt':
      return (event) => read(event) > value;
    case 'le':
      return (event) => read(event) <= value;
    default:
      return (event) => read(event) < value;
  }
}

const unquote = (text: string | undefined) => (text ?? '').replaceAll("''", "'");

const syntaxError = (term: string) => badRequest(`Invalid filter clause: syntax error in '${term}'.`);
