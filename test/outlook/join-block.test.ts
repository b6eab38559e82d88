/** The join block of an online meeting: none of it is text of the event, and none of it is lost when the text is written. */
import { describe, expect, test } from 'vitest';
import { itemOf } from '../../src/event.ts';
import { withJoinBlock, withoutJoinBlock } from '../../src/outlook/join-block.ts';
import { always, anItem, hall, openWorld } from './world.ts';

const rule = '_'.repeat(80);
const joinUrl = 'https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=1';
const online = { isOnline: true, joinUrl };
const block = [
  rule,
  'Microsoft Teams meeting',
  `Click here to join the meeting<${joinUrl}>`,
  'Passcode: fX3kQ9',
  '_'.repeat(32),
  'For organizers: Meeting options<https://teams.microsoft.com/meetingOptions/?id=1>',
  rule,
].join('\r\n');

describe('the text of an event', () => {
  test.each([
    ['before the block', `Agenda\r\n${block}\r\n`, online, 'Agenda'],
    ['on both sides of the block', `Agenda\r\n${block}\r\nBring chairs`, online, 'Agenda\nBring chairs'],
    ['none but the block', block, online, ''],
    ['whose link is not told', `Agenda\r\n${block}`, { isOnline: true, joinUrl: null }, 'Agenda'],
    ['not told to be online', `Agenda\r\n${block}`, { isOnline: false, joinUrl: null }, 'Agenda'],
    [
      'without rules',
      `Agenda\r\nMicrosoft Teams meeting\r\nJoin: ${joinUrl}\r\nPasscode: fX3kQ9`,
      online,
      'Agenda',
    ],
    [
      'with a link made safe',
      `Agenda\r\n${rule}\r\nJoin<https://eur01.safelinks.protection.outlook.com/?url=${encodeURIComponent(joinUrl)}>\r\nPasscode: x\r\n${rule}`,
      online,
      'Agenda',
    ],
    [
      'in another language',
      `Agenda\r\n${rule}\r\nBli med<${joinUrl}>\r\nKode: x\r\n${rule}`,
      online,
      'Agenda',
    ],
  ])('%s is read without it', (_, text, meeting, own) => {
    expect(withoutJoinBlock(text, meeting).trim()).toBe(own);
  });

  test('that only names a link or a rule stays as it is', () => {
    const offline = { isOnline: false, joinUrl: null };
    for (const text of [
      `See ${joinUrl}`,
      `A\n${rule}\nB`,
      'Microsoft Teams meeting at ten, passcode at the desk',
    ])
      expect(withoutJoinBlock(text, offline)).toBe(text);
  });
});

describe('a body that is written', () => {
  test('keeps the block inside of the elements it stood in, and no other text', () => {
    const html = `<html><body><div class="Section"><p>Agenda</p><div>${rule}</div><a href="${joinUrl}">Join</a><div>Passcode: x</div><div>${rule}</div></div></body></html>`;
    const written = withJoinBlock(html, 'New <text>\nof two lines', online)!;
    expect(written).toContain('New &lt;text&gt;<br>\r\nof two lines');
    expect(written).toContain(`<div class="Section"><div>${rule}</div><a href="${joinUrl}">Join</a>`);
    expect(written).not.toContain('Agenda');
    expect(written.match(/<div/g)!.length).toBe(written.match(/<\/div/g)!.length);
  });

  test('is plain where there is no block', () => {
    expect(withJoinBlock('<p>Agenda</p>', 'New', { isOnline: false, joinUrl: null })).toBeNull();
  });

  test('takes time linear in the length, however hostile', () => {
    for (const piece of ['<div>', '<a href="', '____________\n', '<!--', '&amp'])
      withJoinBlock(piece.repeat(200_000), 'New', online);
  });
});

describe('an event with an online meeting', () => {
  async function openOnline() {
    const world = await openWorld();
    const event = world.tenant.people.book(hall.mailbox, {
      subject: 'Yoga',
      text: 'Agenda',
      start: '2026-12-01T10:00:00Z',
      end: '2026-12-01T11:00:00Z',
      isOnlineMeeting: true,
    });
    expect(event.joinUrl).not.toBeNull();
    return { world, event };
  }
  const change = (eventId: string, what: Partial<ReturnType<typeof anItem>>) =>
    ({ do: 'change', eventId, change: what, whole: anItem(what) }) as const;

  test('is read without its join block, and keeps its meeting when the text is changed', async () => {
    const { world, event } = await openOnline();
    await using _ = world;
    const read = await world.outlook.read(hall, event.id, always);
    expect(itemOf(read!.shows)!.description).toBe('Agenda');
    const [written] = await world.outlook.write(
      hall,
      [change(event.id, { description: 'New\nagenda' })],
      always,
    );
    expect(written).toMatchObject({
      outcome: 'written',
      event: { shows: { item: { description: 'New\nagenda' } } },
    });
    const [stored] = world.tenant.eventsIn(hall.mailbox);
    expect(stored).toMatchObject({ joinUrl: event.joinUrl, bodyHtml: expect.stringContaining('Passcode') });
    expect(stored!.bodyHtml).not.toContain('Agenda');
  });

  test.each([[{ isPrivate: true }], [{ description: '' }]])('keeps it through %j', async (what) => {
    const { world, event } = await openOnline();
    await using _ = world;
    await world.outlook.write(hall, [change(event.id, what)], always);
    expect(world.tenant.eventsIn(hall.mailbox)).toMatchObject([{ joinUrl: event.joinUrl }]);
    const read = await world.outlook.read(hall, event.id, always);
    expect(itemOf(read!.shows)!.description).toBe('');
  });

  test('loses it by a body without the block: that is what the simulator is for', async () => {
    const { world, event } = await openOnline();
    await using _ = world;
    const edited = world.tenant.people.edit(hall.mailbox, event.id, {
      body: { contentType: 'text', content: 'x' },
    });
    expect(edited.joinUrl).toBeNull();
  });

  test('many texts at once are read and written in batches', async () => {
    const { world, event } = await openOnline();
    await using _ = world;
    const more = Array.from({ length: 5 }, (_, n) =>
      world.tenant.people.book(hall.mailbox, {
        subject: `Yoga ${n}`,
        start: '2026-12-02T10:00:00Z',
        end: '2026-12-02T11:00:00Z',
        isOnlineMeeting: n % 2 === 0,
      }),
    );
    const all = [event, ...more];
    const written = await world.outlook.write(
      hall,
      all.map(({ id }) => change(id, { description: 'New' })),
      always,
    );
    expect(written.map(({ outcome }) => outcome)).toEqual(all.map(() => 'written'));
    const stored = new Map(world.tenant.eventsIn(hall.mailbox).map((one) => [one.id, one.joinUrl]));
    for (const { id, joinUrl: before } of all) expect(stored.get(id)).toBe(before);
  });
});
