import type { Random } from './random.ts';

/**
 * Item ids as Exchange makes them: long, opaque, case-sensitive, in the base64url alphabet.
 * The immutable kind survives a move to another folder, the default kind does not (Microsoft: Outlook
 * immutable identifiers). Layout: prefix 35, mailbox 12, folder 4, stem 20, slot 8, `=`.
 */
export interface ItemId {
  readonly immutable: boolean;
  readonly mailboxKey: string;
  /** Which folder visit a default id belongs to; the immutable kind has none. */
  readonly folder: string;
  readonly stem: string;
  /** Names one instance of a series, see `printSlot`, else WHOLE. */
  readonly slot: string;
}

/** The slot of an id that names a whole item. */
export const WHOLE = 'AAAAAAAA';

const IMMUTABLE_PREFIX = 'AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0';
const DEFAULT_PREFIX = 'AAMkAGViNDU2_jYxLTdkNDAtNDIzZS1hMDg';
const SHAPE = /^AA[Mk][kA][A-Za-z0-9_-]{75}=$/;

/** The part of an id that names an instance by its date `YYYYMMDD`; a series with new instance ids uses another form. */
export const printSlot = (slot: string, edition: number) =>
  slot === WHOLE || edition === 0
    ? slot
    : slot.replace(/\d/g, (digit) => DIGITS[Number(digit)]![edition % 5]!);

/** The date in such a part; it names nothing in a series of another edition. */
export function readSlot(text: string, edition: number): string | undefined {
  if (text === WHOLE) return WHOLE;
  const slot = text.replace(/\D/g, (letter) =>
    String(DIGITS.findIndex((letters) => letters.includes(letter))),
  );
  return printSlot(slot, edition) === text ? slot : undefined;
}

const DIGITS = ['0bcde', '1fghi', '2jklm', '3nopq', '4rstu', '5vwxy', '6BCDE', '7FGHI', '8JKLM', '9NOPQ'];

export const folderToken = (folder: number) => folder.toString(36).toUpperCase().padStart(4, 'A');

export function printId({ immutable, mailboxKey, folder, stem, slot }: ItemId): string {
  return immutable
    ? `${IMMUTABLE_PREFIX}${mailboxKey}AAAA${stem}${slot}=`
    : `${DEFAULT_PREFIX}${mailboxKey}${folder}${stem}${slot}=`;
}

/** Undefined for text that is no id of this Exchange. */
export function readId(text: string): ItemId | undefined {
  if (!SHAPE.test(text)) return undefined;
  const immutable = text.startsWith(IMMUTABLE_PREFIX);
  if (!immutable && !text.startsWith(DEFAULT_PREFIX)) return undefined;
  return {
    immutable,
    mailboxKey: text.slice(35, 47),
    folder: text.slice(47, 51),
    stem: text.slice(51, 71),
    slot: text.slice(71, 79),
  };
}

/**
 * Stems for one mailbox. They come in pairs that differ in the case of one letter, or in `_` against
 * `-`: two such events do exist side by side (office-js#4729), and only a client that never
 * normalises an id tells them apart.
 */
export function createStems(random: Random): () => string {
  let made = 0;
  let start = '';
  return () => {
    const turn = made++ % 4;
    if (turn % 2 === 0) start = random.letters(19);
    return start + 'qQ_-'[turn];
  };
}
