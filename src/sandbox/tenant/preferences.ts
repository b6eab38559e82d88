import { ianaZone } from './zones.ts';

/** The preferences in the Prefer header of a request. */
export interface Preferences {
  /** IdType="ImmutableId" */
  readonly immutable: boolean;
  readonly zone: string;
  readonly bodyAsText: boolean;
  readonly maxPageSize: number | undefined;
  /** The header Preference-Applied of the answer. */
  readonly applied: readonly string[];
}

const ITEM = /\s*([^=,;\s]+)\s*(?:=\s*(?:"([^"]*)"|([^,\s]*)))?\s*(?:,|$)/gy;

/** Reads ONE comma separated list (RFC 7240). Throws Graph's refusal for an unknown zone; ignores the unknown. */
export function readPreferences(header: string | undefined): Preferences {
  const asked = new Map<string, string>();
  for (const [, name = '', quoted, bare] of (header ?? '').matchAll(ITEM)) {
    asked.set(name.toLowerCase(), quoted ?? bare ?? '');
  }
  const applied: string[] = [];
  const zone = asked.get('outlook.timezone');
  if (zone !== undefined) {
    ianaZone(zone);
    applied.push(`outlook.timezone="${zone}"`);
  }
  const body = asked.get('outlook.body-content-type')?.toLowerCase();
  if (body === 'text' || body === 'html') applied.push(`outlook.body-content-type="${body}"`);
  const pageSize = asked.get('odata.maxpagesize');
  return {
    immutable: asked.get('idtype')?.toLowerCase() === 'immutableid',
    zone: zone ?? 'UTC',
    bodyAsText: body === 'text',
    maxPageSize: pageSize !== undefined && /^[1-9]\d{0,5}$/.test(pageSize) ? Number(pageSize) : undefined,
    applied,
  };
}
