/** docs/http.md is made from the description of the API: `npm test -- test/http/reference.test.ts -u` writes it. */
import { format } from 'prettier';
import { expect, test } from 'vitest';
import { calls, named } from '../contract/guide.ts';
import { openApi } from './api.ts';

interface Operation {
  readonly summary: string;
  readonly tags: readonly [string];
  readonly security?: readonly object[];
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
}

const intro = `
# HTTP endpoints

Generated from /openapi.json by a test, so it matches the daemon; /docs shows the same with every field. All errors
are \`{ "success": false, "error", "hint" }\`. With API_KEY set, every endpoint not marked *open* requires it:
\`X-API-Key: …\` or \`Authorization: Bearer …\`. Several paths in one row are aliases of one endpoint. The last column is
the heading under which the predecessor's *Outlook Calendar Sync Usage Guide* prints the call, to help with its scripts;
*named* means that the guide only mentions it.

A *mapping* is one reservation in one room; the mapping of resources to mailboxes is \`/resource-mapping\` (on the command
line: \`mappings\`).

Calls that process items wait for the result, at most 20 s; unfinished items are counted as \`pending\` and continue in the
background.

- \`POST /cancel/booking/…\` processes a cancellation that was **made in the booking system**. While the reservation is still
  active there it answers 409 and does nothing. During an uncommitted cancellation no call is needed, because the commit is
  captured.
- \`DELETE /cancel/reservation/…\` and \`POST /cancel/bulk\` **make** the cancellation in the booking system, in all rooms of the
  reservation, and add "Cancelled through the bridge" to its description.
- \`POST /cancel/outlook/{event}\` reads the event and cancels its reservation only if the event is gone.

If the booking system has non-numeric keys (uuids, codes), paths, query strings and bodies accept the key, percent-encoded,
in place of a number (\`/cancel/check/booking/0b0e7b3c-…\`, \`/rooms/A-101\`), and answers have \`reservation_key\` and
\`resource_key\` next to the numbers. In answers, numbers above 2^53 - 1 are text with their digits; bodies accept both forms.
`;

test('the table of endpoints is the one of the description', async () => {
  await using api = await openApi();
  const { paths, tags } = (await api.call('GET', '/openapi.json')).body as unknown as {
    tags: readonly { name: string; description: string }[];
    paths: Record<string, Record<string, Operation>>;
  };
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const byTag = Map.groupBy(operations, ({ operation }) => operation.tags[0]);
  const sections = tags.map(({ name: tag, description }) => {
    const listed = byTag.get(tag) ?? [];
    const rows = Map.groupBy(listed, ({ method, operation }) => `${method} ${operation.summary}`);
    return [
      `## ${tag}`,
      `${description}\n`,
      '| method | path | description | guide |',
      '|---|---|---|---|',
      ...[...rows.values()].map((same) => {
        const { method, operation } = same[0]!;
        const query = (operation.parameters ?? []).filter((one) => one.in === 'query').map((one) => one.name);
        const addresses = same.map(({ path }) => `\`${path}\``).join('<br>');
        const asks = query.length === 0 ? '' : ` (${query.map((name) => `\`?${name}\``).join(', ')})`;
        const open = operation.security?.length === 0 ? ' *open*' : '';
        const headings = same.map(({ path }) => headingOf(method, path)).filter((heading) => heading !== '');
        return `| ${method} | ${addresses} | ${cell(operation.summary)}${asks}${open} | ${cell(headings[0] ?? '')} |`;
      }),
    ].join('\n');
  });
  const text = await format([intro, ...sections].join('\n\n'), { parser: 'markdown', printWidth: 110 });
  await expect(text).toMatchFileSnapshot('../../docs/http.md');
});

const cell = (text: string) => text.replaceAll('|', '\\|');

/** Under which heading the guide prints a call of it; else whether it names it. */
function headingOf(method: string, path: string): string {
  const same = new RegExp(`^${method} ${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`);
  const printed = calls.find(({ endpoint }) => same.test(endpoint));
  if (printed !== undefined) return printed.heading.replaceAll('*', '').replace(/^\d+\. /, '');
  return named.some((endpoint) => same.test(endpoint)) ? 'named' : '';
}
