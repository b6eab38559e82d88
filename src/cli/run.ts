/**
 * The words of the command line. Exit codes: 0 done and all well; 1 it failed, or `doctor` or `adapter check` found something to repair; 2
 * `plan`: something would be done;
 * 64 wrong words or settings (EX_USAGE of sysexits.h); 75 the database or Graph is away: try again later (EX_TEMPFAIL).
 */
import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { Invalid, Retryable, messageOf } from '../errors.ts';
import { sayError, sayJson } from './terminal.ts';

const exitCodes = `
Exit codes: 0 done, 1 failed or something is to be repaired, 2 a plan with something to do, 64 wrong words or settings, 75 try again later.
Settings come from the environment and .env; see .env.example. All commands: docs/cli.md.`;

/** Runs one command line, given without node and the script, and returns the exit code; never rejects. */
export async function run(argv: readonly string[], signal: AbortSignal): Promise<number> {
  const [first] = argv;
  const named =
    first !== undefined && (!first.startsWith('-') || ['-h', '--help', '-V', '--version'].includes(first));
  let code = 0;
  const program = createProgram(signal, (answered) => (code = answered));
  try {
    await program.parseAsync([...(named ? argv : ['serve', ...argv])], { from: 'user' });
    return code;
  } catch (error) {
    // commander has said what was wrong
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 64;
    if (signal.aborted && ends.has(named ? first : 'serve')) return 0;
    if (signal.aborted) return cutOff(argv);
    if (argv.includes('--json')) sayJson(asJson(error));
    sayError(explain(error));
    if (error instanceof Invalid) return 64;
    return error instanceof Retryable ? 75 : 1;
  }
}

/** What is there to be stopped. Any other command that was stopped has not done what it was called for. */
const ends: ReadonlySet<string> = new Set(['serve', 'demo']);

function cutOff(argv: readonly string[]): number {
  const [error, hint] = ['It was stopped before it was done.', 'Run it again.'];
  if (argv.includes('--json')) sayJson({ success: false, error, hint });
  sayError(`${error}\n${hint}`);
  return 1;
}

type Answer = (code: number) => void;

/** Each command is loaded when it is called, so that `migrate` does not wait for what `demo` needs. */
function createProgram(signal: AbortSignal, answer: Answer): Command {
  const program = new Command('outlook-booking-sync')
    .description('Keeps room bookings in PostgreSQL and Outlook room calendars equal.')
    .version(packageJson.version)
    .exitOverride()
    .showHelpAfterError('Run outlook-booking-sync --help, or COMMAND --help, for what there is.')
    .helpCommand('help [command]', 'explain a command')
    .addHelpText('after', exitCodes);
  addDaemon(program, signal, answer);
  addChecks(program, signal, answer);
  addMappings(program, signal, answer);
  addRooms(program, signal, answer);
  addAdapter(program, signal, answer);
  return program;
}

const json = ['--json', 'print JSON for scripts'] as const;

function addDaemon(program: Command, signal: AbortSignal, answer: Answer): void {
  program
    .command('serve')
    .description('run the daemon (the default)')
    .action(async () => answer(await (await import('./serve.ts')).serve(signal)));
  program
    .command('migrate')
    .description('install or update our tables and the adapter in the booking database')
    .option('--detach', 'take view, functions and triggers out of the booking system, for an upgrade of it')
    .option('--attach', 'put them back; all rooms are compared then')
    .action(async (options) => answer(await (await import('./migrate.ts')).migrateCommand(options, signal)));
  program
    .command('adopt')
    .description("move a predecessor's tables aside, install the bridge, take over its rooms and events")
    .option('--dry-run', 'only say what it would do')
    .option(...json)
    .action(async (options) => answer(await (await import('./adopt.ts')).adopt(options, signal)));
  program
    .command('demo')
    .description('show it at work on an embedded PostgreSQL and a simulated tenant, until Ctrl-C')
    .option('--port <number>', 'port of the HTTP API', '8082')
    .option('--seconds <number>', 'end after so many seconds instead of at Ctrl-C')
    .option('--latency <ms>', 'what one call to Graph takes on average', '60')
    .option('--seed <number>', 'another seed, another day', '1')
    .option('--scenario <name>', 'play one fault instead, tell what becomes of it, and end; list: the names')
    .option('--changes <number>', 'after so many nothing more is changed, and the page stays as it is')
    .option('--sql <statement>', 'run it in the booking database of the demo that runs in another terminal')
    .action(async (options) => answer(await (await import('./demo.ts')).demo(options, signal)));
}

function addChecks(program: Command, signal: AbortSignal, answer: Answer): void {
  program
    .command('doctor')
    .description('look at everything the bridge depends on; says for each thing what to run or to set')
    .option('--write', 'also write into each mailbox: an event that is long over, made and deleted at once')
    .option(...json)
    .action(async (options) => answer(await (await import('./doctor.ts')).doctor(options, signal)));
  program
    .command('plan')
    .description(
      'what a sync would do, room by room; writes nothing. Exits with 2 when something would be done',
    )
    .option('--room <resource>', 'only the room of this resource')
    .option('--limit <number>', 'items listed of each room; all are counted', '50')
    .option('--confirm', 'let daemons with START_MODE=plan, or of a copied or restored database, begin')
    .option(
      '--as <what>',
      'with --confirm: the database is the same installation, moved or set back, or a copy',
    )
    .option(...json)
    .action(async (options) => answer(await (await import('./plan.ts')).planCommand(options, signal)));
  program
    .command('report')
    .description('the statistics of the day')
    .option(...json)
    .action(async (options) => answer(await (await import('./report.ts')).report(options)));
  program
    .command('search')
    .description('find reservations and events by title, person, room, date or id, as people type them')
    .argument('<words...>', 'for example Korprøve on Thursday, event/78268, or the id of an event in Outlook')
    .option('--limit <number>', 'how many are listed, the best', '20')
    .option(...json)
    .action(async (words, options) => answer(await (await import('./search.ts')).search(words, options)));
  program
    .command('conflicts')
    .description('what waits for a person, both sides; --keep chooses one side of all that are listed')
    .option('--room <resource>', 'only of the room of this resource')
    .option('--find <text>', 'only with this in a title, or in the name of the organiser or the room')
    .option('--limit <number>', 'how many are listed, the soonest', '100')
    .option('--keep <side>', 'booking or outlook: keep it in all of them')
    .option(...json)
    .action(async (options) => answer(await (await import('./conflicts.ts')).conflictsCommand(options)));
  program
    .command('undo')
    .description('take back what was done since a moment; shows its plan, and writes nothing without --apply')
    .requiredOption('--since <moment>', 'for example 2031-05-04T12:00:00+02:00')
    .option('--room <resource>', 'only the room of this resource')
    .option('--what <kinds>', 'of cancelled, deleted, imported, undone', 'cancelled,deleted,imported')
    .option('--apply', 'carry it out')
    .option(...json)
    .action(async (options) => answer(await (await import('./undo.ts')).undoCommand(options)));
  program
    .command('explain')
    .description('the life of one reservation: how it stands, what was done, when and why')
    .argument('<type/id>', 'for example event/78268')
    .option('--limit <number>', 'lines of each room, the newest', '100')
    .option(...json)
    .action(async (what, options) => answer(await (await import('./explain.ts')).explain(what, options)));
}

function addMappings(program: Command, signal: AbortSignal, answer: Answer): void {
  const mappings = program
    .command('mappings')
    .description('which resource is which room mailbox: list, add, set, remove, import, match');
  mappings
    .command('list')
    .description('the rooms and how they are')
    .option(...json)
    .action(async (options) => answer(await (await import('./mappings.ts')).listMappings(options)));
  mappings
    .command('add')
    .description('map one resource to one mailbox; its room is brought over at once')
    .argument('<resource>', "the resource's id in the booking system")
    .argument('<mailbox>', "the room's address, or the object id of its mailbox")
    .option('--name <name>', 'what the room is called')
    .option('--direction <direction>', 'both, booking_to_outlook or outlook_to_booking', 'both')
    .option('--paused', 'write it down and do not begin')
    .option(...json)
    .action(async (resource, mailbox, options) =>
      answer(await (await import('./mappings.ts')).addMapping(resource, mailbox, options)),
    );
  mappings
    .command('set')
    .description('what one room does differently from the others; it takes effect at once')
    .argument('<resource>', "the resource's id in the booking system")
    .argument(
      '<settings...>',
      "conflict_policy, overlap_policy, import_mode, privacy, title_template, each as NAME=VALUE; NAME= is the environment's again",
    )
    .option(...json)
    .action(async (resource, settings, options) =>
      answer(await (await import('./mappings-set.ts')).setMapping(resource, settings, options)),
    );
  mappings
    .command('remove')
    .description('take a pair away; events and reservations stay as they are')
    .argument('<resource>', "the resource's id in the booking system")
    .option('--mailbox <mailbox>', 'only this one of several')
    .option(...json)
    .action(async (resource, options) =>
      answer(await (await import('./mappings.ts')).removeMapping(resource, options)),
    );
  mappings
    .command('import')
    .description('map the rooms of a CSV file, all of them or none')
    .argument('<file>', 'columns resource_id,outlook_item_id[,outlook_item_name,active,sync_direction]')
    .option('--dry-run', 'only say what it would do')
    .option(...json)
    .action(async (file, options) =>
      answer(await (await import('./mappings-import.ts')).importMappings(file, options)),
    );
  mappings
    .command('match')
    .description('propose pairs of resources and rooms by name')
    .option('--apply', 'map the sure ones')
    .option('--rooms <file>', 'the rooms of Outlook from a CSV file, where the app may not list them')
    .option('--csv', 'print a file for `mappings import`')
    .option('--sql', 'print INSERT statements')
    .option(...json)
    .action(async (options) =>
      answer(await (await import('./mappings-match.ts')).matchMappings(options, signal)),
    );
}

function addRooms(program: Command, signal: AbortSignal, answer: Answer): void {
  const wait = ['--wait', 'until the room is compared and brought over, with a progress bar'] as const;
  program
    .command('pause')
    .description('stop one room; its events and reservations stay, changes are noted')
    .argument('<resource>', "the resource's id in the booking system")
    .option(...json)
    .action(async (resource, options) =>
      answer(await (await import('./rooms.ts')).pauseRoom(resource, options)),
    );
  program
    .command('resume')
    .description('start a paused room again; both sides are compared first')
    .argument('<resource>', "the resource's id in the booking system")
    .option(...wait)
    .option(...json)
    .action(async (resource, options) =>
      answer(await (await import('./rooms.ts')).resumeRoom(resource, options, signal)),
    );
  program
    .command('claim')
    .description("take a room over whose mailbox carries another installation's or resource's claim")
    .argument('<resource>', "the resource's id in the booking system")
    .option(...json)
    .action(async (resource, options) =>
      answer(await (await import('./rooms.ts')).claimRoom(resource, options)),
    );
  program
    .command('resync')
    .description('compare one room, or all, with both sides anew')
    .argument('[resource]', "the resource's id in the booking system")
    .option('--all', 'every active room')
    .option(...wait)
    .option(...json)
    .action(async (resource, options) =>
      answer(await (await import('./rooms.ts')).resyncRooms(resource, options, signal)),
    );
}

function addAdapter(program: Command, signal: AbortSignal, answer: Answer): void {
  const adapter = program.command('adapter').description('for those who write an adapter (sql/README.md)');
  adapter
    .command('new')
    .description(
      'write the first folder of an adapter from the schema of the booking system; it changes nothing there',
    )
    .argument('<folder>', 'where; it must not exist yet')
    .action(async (folder) => answer(await (await import('./adapter-new.ts')).newCommand(folder)));
  adapter
    .command('check')
    .description(
      'install and try an adapter in a transaction that is taken back; best on a copy of the database',
    )
    .argument('[folder]', 'its name or path; that of BOOKING_ADAPTER if it is left out')
    .option(...json)
    .action(async (folder, options) =>
      answer(await (await import('./adapter-check.ts')).checkCommand(folder, options, signal)),
    );
}

const hintOf = (error: unknown): string | null =>
  error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? error.hint : null;

/** A failure in words, with its repair; the stack only of what is a bug. */
function explain(error: unknown): string {
  if (error instanceof Invalid || (error instanceof Error && 'hint' in error))
    return [messageOf(error), hintOf(error)].filter(Boolean).join('\n');
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const asJson = (error: unknown) => ({ success: false, error: messageOf(error), hint: hintOf(error) });
