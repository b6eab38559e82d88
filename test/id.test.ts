import { describe, expect, test } from 'vitest';
import { parseJson, readId, toId, unrounded } from '../src/id.ts';

describe('an id', () => {
  test.for([
    ['0', 0],
    ['123', 123],
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', '9007199254740992'],
    ['9007199254740993', '9007199254740993'],
    ['9223372036854775807', '9223372036854775807'],
    ['-9223372036854775808', '-9223372036854775808'],
    ['0009007199254740993', '9007199254740993'],
    ['007', 7],
  ] as const)('of the text %s is %o', ([text, id]) => {
    expect(toId(text)).toBe(id);
  });

  test.for(['', 'x', '1.5', '-1', '1e3', ' 1', '9223372036854775808', '10000000000000000000'])(
    'is not named by %o',
    (text) => {
      expect(readId(text)).toBeNull();
    },
  );
});

describe('JSON', () => {
  test.for([
    ['9007199254740993', '9007199254740993'],
    [
      '{"id":9007199254740993,"of":[1,-9007199254740993]}',
      { id: '9007199254740993', of: [1, '-9007199254740993'] },
    ],
    ['{"id":"9007199254740993"}', { id: '9007199254740993' }],
    ['[0.1234567890123456789]', [0.12345678901234568]],
    ['[1234567890123456.5]', [1234567890123456.5]],
    ['[9007199254740991]', [9007199254740991]],
    ['{"text":"9007199254740993 and more"}', { text: '9007199254740993 and more' }],
  ] as const)('%s is read without rounding', ([text, value]) => {
    expect(parseJson(text)).toEqual(value);
  });

  test('for a reader that rounds has such numbers in quotes, and is else as it was', () => {
    expect(unrounded('{"id": 9007199254740993}')).toBe('{"id":"9007199254740993"}');
    expect(unrounded('{"id":  7}')).toBe('{"id":  7}');
  });
});
