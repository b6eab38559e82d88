import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cleanDescription, cleanTitle, textOfHtml } from '../../src/outlook/text.ts';

describe('a title', () => {
  test('is one trimmed line', () => {
    expect(cleanTitle('  Yoga\r\n for\tall\u00a0\u2028 ')).toBe('Yoga for all');
  });

  test('has at most 255 units and never half of a pair', () => {
    expect(cleanTitle('x'.repeat(300))).toBe('x'.repeat(255));
    expect(cleanTitle(`${'x'.repeat(254)}🎉!`)).toBe('x'.repeat(254));
    expect(cleanTitle(`${'x'.repeat(253)}🎉!`)).toBe(`${'x'.repeat(253)}🎉`);
    expect(cleanTitle(`${'x'.repeat(254)} y`)).toBe('x'.repeat(254));
  });

  test('loses what Exchange cannot keep: NUL, control characters, lone surrogates', () => {
    expect(cleanTitle('a\u0000b\u0007c\ud800d\udc00e\ufffef')).toBe('abcdef');
    expect(cleanTitle('👩‍👩‍👧 \u202eabc')).toBe('👩‍👩‍👧 \u202eabc');
  });
});

describe('a description', () => {
  test('keeps its lines, whatever ends them', () => {
    expect(cleanDescription(' one\r\ntwo\rthree\u0085four\n\n five ')).toBe('one\ntwo\nthree\nfour\n\n five');
  });

  test('of 100 kB is kept whole', () => {
    const text = 'Blåbærsyltetøy '.repeat(7_000).trim();
    expect(text.length).toBeGreaterThan(102_400);
    expect(cleanDescription(text)).toBe(text);
  });

  test('of 4 MB is bounded, says so, and stays as it is from then on', () => {
    const once = cleanDescription('🎉'.repeat(1_000_000));
    expect(once.length).toBeLessThanOrEqual(131_072);
    expect(once).toMatch(/🎉\n\n\[…\] The text was too long and has been shortened\.$/u);
    expect(cleanDescription(once)).toBe(once);
  });
});

describe('the text of HTML', () => {
  test('has its words, lines, lists and links', () => {
    const html = `<html><head><title>no</title><style>b{}</style></head><body><h1>Head</h1>one<br>two&nbsp;&lt;x&gt;
      <ul><li>first<li>second</ul><script>no()</script><a href="https://a.example/">https://a.example/</a>
      <a href="https://teams.example/join">Join</a><img src="cid:1" alt=""></body></html>`;
    expect(textOfHtml(html).replace(/\s+/g, ' ').trim()).toBe(
      'Head one two <x> * first * second https://a.example/ Join [https://teams.example/join]',
    );
  });

  test('is read from anything without an error', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.constantFrom(
              '<p>',
              '</p>',
              '<b',
              '>',
              '<!--',
              '-->',
              '<table><tr><td>',
              '</table>',
              '&amp;',
              '&#x1F389;',
              '&#99999999;',
              '<![CDATA[',
              '<?',
              "'",
              '"',
            ),
            fc.string({ unit: 'binary', maxLength: 20 }),
          ),
          { maxLength: 60 },
        ),
        (parts) => {
          expect(typeof textOfHtml(parts.join(''))).toBe('string');
        },
      ),
      { numRuns: 500 },
    );
  });

  const hostile: readonly (readonly [string, string])[] = [
    ['10,000 nested tags', `${'<div>'.repeat(10_000)}deep`],
    ['a million nested tags', '<p><b><i>'.repeat(1_000_000)],
    ['nested tables', '<table><tr><td>'.repeat(300_000)],
    ['nested lists', '<ul><li>'.repeat(300_000)],
    ['tags that never end', '<a href="x'.repeat(300_000)],
    ['nothing but opening brackets', '<'.repeat(4_000_000)],
    ['closing tags alone', `${'<div>'.repeat(20_000)}${'</p>'.repeat(200_000)}`],
    ['a comment that never ends', `<!--${'-'.repeat(4_000_000)}`],
    ['4 MB of plain words', 'word '.repeat(800_000)],
    ['entities', '&amp;'.repeat(500_000)],
    ['white space', ' '.repeat(4_000_000)],
  ];
  test.each(hostile)('is found in a moment even for %s', (_, html) => {
    // what is not linear here would outlast the test's own limit
    expect(Buffer.byteLength(cleanDescription(textOfHtml(html)))).toBeLessThan(1_000_000);
  });

  test('of hostile input still has its words', () => {
    const text = textOfHtml(`${'<p><b><i>'.repeat(20_000)}Yoga &amp; tea</i> at <b>six`);
    expect(text.replace(/\s+/g, ' ').trim()).toBe('Yoga & tea at six');
  });
});
