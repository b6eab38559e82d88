import { badRequest, invalidRequest } from './graph-error.ts';
import type { ExtendedProperty } from './event-model.ts';

const TYPES =
  'ApplicationTime|Binary|Boolean|CLSID|Currency|Double|Error|Float|Integer|Long|Null|Object|Short|String|SystemTime';
const GUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const NAMED = new RegExp(`^(${TYPES}) \\{(${GUID})\\} (Name|Id) (\\S.*)$`, 'i');
const TAGGED = new RegExp(`^(${TYPES}) 0x[0-9a-f]{1,8}$`, 'i');

/**
 * The identity of a single-value extended property. Type and GUID ignore letter case, the name does
 * not (Microsoft: singlevaluelegacyextendedproperty-get). Throws for an id in none of the three forms.
 */
function propertyKey(id: string): string {
  const [, type, guid, kind, name] = NAMED.exec(id) ?? [];
  if (type && guid && kind && name) {
    return (
      `${type} {${guid}} ${kind} `.toLowerCase() + (kind.toLowerCase() === 'id' ? name.toLowerCase() : name)
    );
  }
  if (TAGGED.test(id)) return id.toLowerCase();
  throw new Error(`not the id of an extended property: ${id}`);
}

/** The key, or Graph's refusal when the id is malformed. */
export function askedKey(id: string): string {
  try {
    return propertyKey(id);
  } catch (cause) {
    throw Object.assign(invalidRequest(`PropertyId values are not well-formed: '${id}'.`), { cause });
  }
}

/** Reads the member of a body; values replace those with the same key in `before`. */
export function readExtendedProperties(
  value: unknown,
  before: ReadonlyMap<string, ExtendedProperty>,
): ReadonlyMap<string, ExtendedProperty> {
  if (!Array.isArray(value)) throw badRequest('singleValueExtendedProperties is a collection.');
  const after = new Map(before);
  for (const item of value as readonly unknown[]) {
    if (typeof item !== 'object' || item === null) throw badRequest('An extended property is an object.');
    const { id, value: content, ...rest } = item as Record<string, unknown>;
    const unknown = Object.keys(rest).find((name) => !name.startsWith('@odata.'));
    if (unknown) {
      throw badRequest(
        `The property '${unknown}' does not exist on type 'microsoft.graph.singleValueLegacyExtendedProperty'.`,
      );
    }
    if (typeof id !== 'string' || typeof content !== 'string') {
      throw invalidRequest('An extended property needs both id and value, each a string.');
    }
    const key = askedKey(id);
    if (/^(integer|long|short) /.test(key) && !/^-?\d+$/.test(content)) {
      throw invalidRequest(`The value of '${id}' is not an integer.`);
    }
    after.set(key, { id, value: content });
  }
  return after;
}
