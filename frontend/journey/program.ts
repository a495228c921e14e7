// The real program, as a person starts it: `proxycache serve` with a folder of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { binary } from './paths';

const startMillis = 20_000;
const stopMillis = 15_000;

/** A configuration that listens on any free port; what follows is added to it. */
export function listening(rest = ''): string {
  return `version = 1

[[listen]]
address = "127.0.0.1:0"
accept = ["reverse", "forward", "connect"]

${rest}`;
}

/** The demo API behind the proxy, with a cell of each usual kind. */
export const demoRoute = `[upstreams.demo]
targets = [{ url = "demo:" }]

[[routes]]
name = "demo"
when = "door = reverse"
to = "demo"

  [[routes.cells]]
  use = "requestid"

  # A comment that a person wrote.
  [[routes.cells]]
  use = "headers"
  response_set = { X-Served-By = "Proxycache" }
`;

export class Program {
  readonly dir: string;
  /** The interface, with its key. */
  url = '';
  /** "http://127.0.0.1:PORT"; "" where nothing is listened on. */
  proxy = '';
  output = '';
  #process: ChildProcess | undefined;
  readonly #env: Record<string, string>;

  private constructor(dir: string, env: Record<string, string>) {
    this.dir = dir;
    this.#env = env;
  }

  /** Starts it in a new folder with this configuration. */
  static async start(config = listening(demoRoute), env: Record<string, string> = {}): Promise<Program> {
    const program = new Program(await mkdtemp(join(tmpdir(), 'proxycache-journey-')), env);
    await writeFile(program.configFile, config);
    await program.run();
    return program;
  }

  get configFile(): string {
    return join(this.dir, 'config.toml');
  }

  config(): Promise<string> {
    return readFile(this.configFile, 'utf8');
  }

  /** Starts it (again) in its folder, on the interface's old address when it had one. */
  async run(): Promise<void> {
    const ui = this.url ? new URL(this.url).host : '127.0.0.1:0';
    const child = spawn(binary, ['serve', '--dir', this.dir, '--ui', ui], {
      env: { ...process.env, ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    this.output = '';
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`The program did not say its address in time:\n${this.output}`)), startMillis);
      const hear = (chunk: Buffer) => {
        this.output += chunk.toString();
        if (!this.output.includes('Ctrl+C ends it.')) return;
        clearTimeout(timer);
        resolve();
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('exit', (code) => {
        clearTimeout(timer);
        reject(new Error(`The program ended with ${code}:\n${this.output}`));
      });
    });
    this.url = /interface\s+(\S+)/.exec(this.output)?.[1] ?? '';
    this.proxy = /proxy\s+(http:\/\/\S+)/.exec(this.output)?.[1] ?? '';
  }

  /** Ends it as Ctrl+C does, and waits until it has. */
  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGINT');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopMillis);
    await ended;
    clearTimeout(timer);
  }

  /** Ends it and takes its folder away. */
  async remove(): Promise<void> {
    await this.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}
