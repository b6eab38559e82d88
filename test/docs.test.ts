/** What README.md and docs/ name is there: links, files, npm scripts, commands with their options, endpoints. */
import { existsSync, globSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cli } from './cli/command-line.ts';
import { openApi } from './http/api.ts';

const read = (path: string) => readFileSync(path, 'utf8');
const pages = globSync(['README.md', '{docs,sql,database}/**/*.md']).sort();
const everywhere = pages.map((page) => ({ page, text: read(page) }));

describe.each(everywhere)('$page', ({ page, text }) => {
  test('links to files and headings that are there', () => {
    const broken = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1]!)
      .filter((target) => !/^https?:/.test(target))
      .filter((target) => {
        const [file = '', heading] = target.split('#');
        const path = file === '' ? page : join(dirname(page), file);
        return !existsSync(path) || (heading !== undefined && !headingsOf(path).includes(heading));
      });
    expect(broken).toEqual([]);
  });

  test('names source files that are there', () => {
    const sources = globSync('{src,sql,database,test}/**/*.{ts,sql}');
    const named = [...text.matchAll(/(?<![\w./*-])[\w.*][\w./*-]*\.(?:ts|sql)\b/g)].map((match) =>
      match[0].replace(/^(\.{1,2}\/)+/, ''),
    );
    const isThere = (name: string) => {
      const pattern = name.replaceAll('.', '\\.').replaceAll('*', '[^/]*');
      return sources.some((file) => new RegExp(`(^|/)${pattern}$`).test(file));
    };
    const optional = '30_triggers.sql'; // an adapter may have it, and none of ours does
    expect(named.filter((name) => name !== optional && !isThere(name))).toEqual([]);
  });

  test('names npm scripts that are there', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...text.matchAll(/\bnpm (?:run(?: -s)? )?(start|test|(?<=run (?:-s )?)[a-z:]+)\b/g)];
    expect(named.map((match) => match[1]!).filter((name) => !(name in scripts))).toEqual([]);
  });
});

test('a file in a diagram is there, in the folder that its label names last', () => {
  const labels = everywhere.flatMap(({ text }) =>
    [...text.matchAll(/\["([^"]*)"\]/g)].map(([, label]) => label!.replaceAll('<br/>', ' ')),
  );
  const missing = labels.flatMap((label) => {
    let folder = '';
    return [...label.matchAll(/([\w-]+\/)*([\w-]+\.(?:ts|sql)\b)?/g)].flatMap(([path, lastFolder, file]) => {
      if (lastFolder !== undefined) folder = path.slice(0, path.lastIndexOf('/') + 1);
      return file === undefined || existsSync(join(folder, file)) ? [] : [`${folder}${file}`];
    });
  });
  expect(labels.length).toBeGreaterThan(20);
  expect(missing).toEqual([]);
});

/** The anchors GitHub gives to the headings of a page. */
const headingsOf = (path: string) =>
  [...read(path).matchAll(/^#+ (.+)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

test('the commands that are named are there, with their options', async () => {
  const spoken = everywhere.flatMap(({ text }) => [
    ...text.matchAll(/(?:src\/main\.ts|run --rm portico_outlook) ([a-z][^`\n#→]*)/g),
  ]);
  const lines = new Set(
    spoken.map(([, line]) => {
      const words = line!.trim().split(/\s+/);
      const command = words[0] === 'mappings' ? words.slice(0, 2) : words.slice(0, 1);
      const options = words.filter((word) => word.startsWith('--') && word !== '--json').sort();
      return JSON.stringify([command, options]);
    }),
  );
  expect(lines.size).toBeGreaterThan(5);
  const wrong: string[] = [];
  for (const line of lines) {
    const [command, options] = JSON.parse(line) as [string[], string[]];
    const said = await cli({}, ...command, '--help');
    // an unknown word is answered with the help of what stands above it
    const there = said.out.startsWith(`Usage: outlook-booking-sync ${command.join(' ')} `);
    if (!there) wrong.push(command.join(' '));
    else wrong.push(...options.filter((o) => !said.out.includes(o)).map((o) => `${command.join(' ')} ${o}`));
  }
  expect(wrong).toEqual(['mappings lst']); // docs/cli.md shows what is said to it
});

test('the endpoints that are named are there', async () => {
  await using api = await openApi();
  const { paths } = (await api.call('GET', '/openapi.json')).body as unknown as {
    paths: Record<string, Record<string, unknown>>;
  };
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`.split('/')),
  );
  const named = everywhere.flatMap(({ page, text }) =>
    [...text.matchAll(/\b(?:GET|POST|DELETE) \/[\w/{}….-]+/g)].map((match) => ({
      page,
      endpoint: match[0].replace(/\.$/, ''),
    })),
  );
  const undescribed = named.filter(({ endpoint }) => {
    const parts = endpoint.split('/');
    const open = parts.at(-1) === '…';
    const asked = open ? parts.slice(0, -1) : parts;
    return !described.some(
      (there) =>
        (open ? there.length > asked.length : there.length === asked.length) &&
        asked.every((part, i) => part === there[i] || there[i]!.startsWith('{')),
    );
  });
  expect(named.length).toBeGreaterThan(50);
  const missing: object[] = [];
  for (const one of undescribed) {
    // pages and what belongs to them
    const [method, path] = one.endpoint.split(' ') as [string, string];
    if ([404, 405].includes((await api.call(method, path)).status)) missing.push(one);
  }
  expect(missing).toEqual([]);
});

describe('the tree in CONTRIBUTING.md', () => {
  const section = /^## The tree$(.*)/ms.exec(read('docs/CONTRIBUTING.md'))?.[1] ?? '';
  const names = [...section.matchAll(/`([\w./*-]+)`/g)].map((match) => match[1]!);

  test('names what is there', () => {
    const files = globSync('{src,sql,database,test}/**/*.{ts,sql,md}').map((file) => basename(file));
    const folders = globSync('{src,test}/**/', {}).map((folder) => `${basename(folder)}/`);
    const there = (name: string) =>
      existsSync(name) ||
      existsSync(`src/${name}`) ||
      folders.includes(name) ||
      files.some((file) => new RegExp(`^${name.replaceAll('.', '\\.').replaceAll('*', '.*')}$`).test(file));
    expect(names.filter((name) => !there(name))).toEqual([]);
  });

  test('has every folder of the top, and every part of src', () => {
    const folders = readdirSync('.', { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !/^(\.git|node_modules|coverage)$/.test(entry.name))
      .map(({ name }) => `${name}/`);
    const parts = readdirSync('src', { withFileTypes: true })
      .filter(({ name }) => /^[\w-]+(\.ts)?$/.test(name))
      .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
    expect([...folders, ...parts].filter((name) => !names.includes(name))).toEqual([]);
  });
});
