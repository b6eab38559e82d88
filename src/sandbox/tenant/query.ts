import { badRequest, GraphError } from './graph-error.ts';
import { askedKey } from './extended-properties.ts';
import { eventMembers, type Showing } from './event-view.ts';

/** Refuses query options a path does not know, and options given twice. */
export function checkOptions(query: URLSearchParams, known: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of query.keys()) {
    if (!known.includes(name)) {
      throw badRequest(`The query parameter '${name}' is not supported here.`);
    }
    if (seen.has(name)) throw badRequest(`Query option '${name}' was specified more than once.`);
    seen.add(name);
  }
}

/** A whole number in that range; undefined when the option is absent. */
export function readNumber(
  query: URLSearchParams,
  name: string,
  least: number,
  most: number,
): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw badRequest(
    `Invalid value '${text}' for ${name} query option found. It is a number from ${least} to ${most}.`,
  );
}

function readSelect(query: URLSearchParams): ReadonlySet<string> | undefined {
  const text = query.get('$select');
  if (text === null) return undefined;
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !eventMembers.has(name));
  if (unknown === undefined) return new Set(names);
  throw badRequest(
    `Parsing OData Select and Expand failed: Could not find a property named '${unknown}' on type 'microsoft.graph.event'.`,
  );
}

const PROPERTIES = /^singleValueExtendedProperties\s*\(\s*\$filter\s*=\s*([\s\S]+)\)$/;
const ID_TERM = /^id eq '((?:[^']|'')*)'$/i;

/** Reads $select and $expand. There is no "list all" for extended properties: each is asked for by id. */
export function readShowing(query: URLSearchParams): Showing {
  const select = readSelect(query);
  const expand = query.get('$expand');
  if (expand === null) return { select };
  let properties: string[] | undefined;
  let exceptions = false;
  for (const part of splitOutside(expand, ',')) {
    const filter = PROPERTIES.exec(part.trim())?.[1];
    if (filter !== undefined) {
      properties = splitOutside(filter.trim(), ' or ').map((term) => {
        const id = ID_TERM.exec(term.trim())?.[1];
        if (id === undefined)
          throw badRequest(`Parsing OData Select and Expand failed: Syntax error in '${term.trim()}'.`);
        return askedKey(id.replaceAll("''", "'"));
      });
    } else if (part.trim() === 'exceptionOccurrences' && select?.has('exceptionOccurrences')) {
      exceptions = true;
    } else if (/^(singleValueExtendedProperties|multiValueExtendedProperties)$/.test(part.trim())) {
      throw new GraphError(
        400,
        'ErrorInvalidRequest',
        'The $expand of extended properties needs a $filter on id.',
      );
    } else if (part.trim().startsWith('extensions')) {
      throw new GraphError(501, 'NotImplemented', 'The simulated tenant keeps no open extensions.');
    } else {
      throw badRequest(
        `Parsing OData Select and Expand failed: Could not find a property named '${part.trim()}'.`,
      );
    }
  }
  return { select, properties, exceptions };
}

/** Splits where the separator stands outside quotes and parentheses. */
export function splitOutside(text: string, separator: string): string[] {
  const parts: string[] = [];
  let [depth, quoted, from] = [0, false, 0];
  for (let index = 0; index < text.length; index++) {
    const sign = text[index];
    if (sign === "'") quoted = !quoted;
    else if (!quoted && sign === '(') depth++;
    else if (!quoted && sign === ')') depth--;
    else if (!quoted && depth === 0 && text.startsWith(separator, index)) {
      parts.push(text.slice(from, index));
      from = index + separator.length;
      index = from - 1;
    }
  }
  if (depth !== 0 || quoted) throw badRequest(`Syntax error: unterminated expression in '${text}'.`);
  return [...parts, text.slice(from)];
}
