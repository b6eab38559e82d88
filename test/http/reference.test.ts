/** docs/http.md is made from the description of the API: `npx vitest run test/http/reference.test.ts -u` writes it. */
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

Made from /openapi.json by a test, so it is what the daemon answers to; /docs shows the same with every field. All errors
are \`{ "success": false, "error", "hint" }\`. With API_KEY set, everything that is not marked *open* asks for it:
\`X-API-Key: …\` or \`Authorization: Bearer …\`. Paths in one row are names of the same endpoint. The last column is
the heading under which the predecessor's *Outlook Calendar Sync Usage Guide* prints the call, so that its scripts can be
found again; *named* is only mentioned there.

A *mapping* is one reservation in one room here; which resource is which room mailbox is \`/resource-mapping\` (at the command
line: \`mappings\`).

Calls that process something wait for it, 20 s at most; what is not done then is counted as \`pending\` and follows by itself.

- \`POST /cancel/booking/…\` processes a cancellation that was **made in the booking system**. While the reservation is still
  active there it answers 409 and does nothing; if it is just being cancelled in a transaction, nothing more is needed, as
  the commit is seen.
- \`DELETE /cancel/reservation/…\` and \`POST /cancel/bulk\` **make** the cancellation in the booking system, in all rooms of the
  reservation, and note "Cancelled through the bridge" in its description.
- \`POST /cancel/outlook/{event}\` cancels nothing by itself: the event is looked at, and its reservation is cancelled if it is gone.

Where the booking system has keys that are no numbers (uuids, codes), a path, query string or body takes the key, percent-encoded,
wherever it takes a number (\`/cancel/check/booking/0b0e7b3c-…\`, \`/rooms/A-101\`), and an answer has \`reservation_key\` and
\`resource_key\` beside the numbers. A number above 2^53 - 1 is its digits as text in an answer; a body may give it either way.
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
      '| method | path | what it does | guide |',
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
