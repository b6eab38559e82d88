/** Who may import whom: the layering is a convention, and this is what keeps it. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { importsOf } from './support/imports.ts';

const parts = ['', 'booking', 'outlook', 'sync', 'ops', 'http'];
/** Folder of `src` → the folders it may import besides itself. '' is the root vocabulary. */
const may: Readonly<Record<string, readonly string[]>> = {
  '': [],
  booking: [''],
  outlook: [''],
  sync: [''],
  ops: [''],
  http: ['', 'sync', 'ops'],
  daemon: parts,
  sandbox: ['', 'daemon', 'booking'],
  cli: [...parts, 'daemon', 'sandbox'],
  main: ['cli'],
};
/** The same inside `sync`: a change goes worker → pull, apply → match, decide → store. '' is the folder itself. */
const mayInSync: Readonly<Record<string, readonly string[]>> = {
  store: [],
  match: ['store'],
  decide: ['match', 'store'],
  apply: ['match', 'decide', 'store'],
  pull: ['match', 'decide', 'store'],
  worker: ['pull', 'apply', 'match', 'decide', 'store'],
  plan: ['pull', 'apply', 'match', 'decide', 'store', 'worker'],
  manual: ['store', 'worker'],
  webhooks: ['store', 'manual'],
  report: ['store', 'manual'],
};
/** Files that must stay pure: no node:, no packages but these, no clock, no chance, no await. */
const pure: Readonly<Record<string, readonly string[]>> = {
  'src/sync/decide/decide.ts': [],
  'src/sync/decide/merge.ts': [],
  'src/sync/decide/brake.ts': [],
  'src/sync/decide/decide-unmapped.ts': [],
  'src/sync/pull/compare.ts': [],
  'src/sync/store/waits.ts': [],
  'src/back-off.ts': [],
  'src/item.ts': [],
  'src/appearance.ts': [],
  'src/outlook/format.ts': [],
  'src/outlook/text.ts': ['html-to-text'],
  'src/outlook/zone.ts': ['windows-iana'],
};

const folderOf = (path: string) => {
  const [first = '', rest] = relative('src', path).split('/');
  return rest !== undefined ? first : /^(main|daemon)\.ts$/.test(first) ? first.slice(0, -3) : '';
};
for (const file of globSync('src/**/*.ts').sort()) {
  test(`${file} imports only what its folder may`, () => {
    const from = folderOf(file);
    const wrong = importsOf(file)
      // what the package says of itself is not code
      .filter((name) => name.startsWith('.') && !name.endsWith('/package.json'))
      .map((name) => folderOf(join(dirname(file), name)))
      .filter((to) => to !== from && !may[from]?.includes(to));
    expect(wrong).toEqual([]);
  });
}

const syncFolderOf = (path: string) => relative('src/sync', path).split('/').slice(0, -1)[0] ?? '';

for (const file of globSync('src/sync/*/*.ts').sort()) {
  test(`${file} imports only what its part of the pipeline may`, () => {
    const from = syncFolderOf(file);
    const wrong = importsOf(file)
      .map((name) => join(dirname(file), name))
      .filter((path) => path.startsWith('src/sync/') && path.split('/').length > 3)
      .map(syncFolderOf)
      .filter((to) => to !== from && !mayInSync[from]?.includes(to));
    expect(wrong).toEqual([]);
  });
}

for (const [file, packages] of Object.entries(pure)) {
  test(`${file} is pure`, () => {
    expect(importsOf(file).filter((name) => !name.startsWith('.') && !packages.includes(name))).toEqual([]);
    expect(readFileSync(file, 'utf8')).not.toMatch(
      /Date\.now|new Date\(\)|Math\.random|performance\.|\bawait\b|process\./,
    );
  });
}

test('only environment.ts reads the environment', () => {
  const readers = globSync('src/**/*.ts').filter((file) => /process\.env/.test(readFileSync(file, 'utf8')));
  // main.ts only passes it on, to itself
  expect(readers).toEqual(['src/environment.ts', 'src/main.ts']);
});

test('only main.ts handles signals and ends the process', () => {
  const enders = globSync('src/**/*.ts').filter((file) =>
    /process\.(on|once|exit)\(/.test(readFileSync(file, 'utf8')),
  );
  expect(enders).toEqual(['src/main.ts']);
});

test('no file of src names a booking table', () => {
  const allowed = /^src\/(sandbox\/|cli\/demo)/; // the demo plays the booking system
  const naming = globSync('src/**/*.ts').filter(
    (f) => !allowed.test(f) && /\bbb_[a-z]/.test(readFileSync(f, 'utf8')),
  );
  expect(naming).toEqual([]);
});
