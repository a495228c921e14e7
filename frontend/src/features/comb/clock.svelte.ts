/** The moment, for what is told by how long it lasts. It moves once a second while it runs. */
export class Clock {
  /** Milliseconds of Unix. */
  now = $state(Date.now());

  /** Runs it; the result stops it. */
  run(): () => void {
    this.now = Date.now();
    const timer = setInterval(() => (this.now = Date.now()), 1_000);
    return () => clearInterval(timer);
  }
}
