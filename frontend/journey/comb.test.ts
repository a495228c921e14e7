import { describe, expect } from 'vitest';
import { ask, openStream, serve } from './http';
import { go, inBrowser, journey, until } from './journey';
import { demoRoute, listening } from './program';

inBrowser();

describe('the comb', () => {
  journey('a cell is switched off and on, and Apply makes it so', async ({ page, program }) => {
    const served = async () => (await ask(`${program.proxy}/v1/items`)).headers['x-served-by'];
    expect(await served()).toBe('Proxycache');
    await go(page, 'Comb');
    await page.getByRole('treeitem', { name: /^Headers,/ }).click();
    const panel = page.getByRole('complementary', { name: 'Headers' });
    await panel.getByRole('switch', { name: 'On' }).click();
    expect(await served()).toBe('Proxycache'); // a draft changes nothing
    await page.getByRole('button', { name: 'Apply 1 change' }).click();
    await until('the cell is off', async () => (await served()) === undefined);
    expect(await program.config()).toContain('off = true');
    expect(await program.config()).toContain('# A comment that a person wrote.');

    await panel.getByRole('switch', { name: 'On' }).click();
    await page.keyboard.press('Control+s');
    await until('the cell is on', async () => (await served()) === 'Proxycache');
  });

  journey('a setting is edited in its form, checked while it is typed, and shown as TOML before it is applied', async ({ page, program }) => {
    await go(page, 'Comb');
    await page.getByRole('treeitem', { name: /^Headers,/ }).click();
    const value = page.getByRole('textbox', { name: /value 1$/ });
    await value.fill('me');
    await page.getByRole('button', { name: 'Diff' }).click();
    const dialog = page.getByRole('dialog', { name: 'What Apply writes' });
    await dialog.getByText(/^\+.*me/).waitFor();
    await dialog.getByRole('button', { name: /^Apply/ }).click();
    await until('it is in force', async () => (await ask(`${program.proxy}/v1/items`)).headers['x-served-by'] === 'me');
  });

  journey('a condition that cannot be read is told at its field and cannot be applied', async ({ page }) => {
    await go(page, 'Comb');
    await page.getByRole('treeitem', { name: /^Headers,/ }).click();
    const when = page.getByRole('textbox', { name: 'When' });
    await when.fill('method =');
    await until('the field is marked', async () => (await when.getAttribute('aria-invalid')) === 'true');
    await until('it cannot be applied', () => page.getByRole('button', { name: /^Apply/ }).isDisabled());
    await page.getByRole('treeitem', { name: /^Headers,.*error/ }).waitFor();
    await when.fill('method = GET');
    await until('it can be applied', () => page.getByRole('button', { name: /^Apply/ }).isEnabled());
    await page.getByRole('button', { name: 'Discard' }).click();
    await page.getByText('In force, no changes').waitFor();
  });

  journey('an event stream that is open stays open through an Apply', async ({ page, program }) => {
    const origin = await serve();
    try {
      await go(page, 'Comb');
      await program.stop();
      const { writeFile } = await import('node:fs/promises');
      await writeFile(program.configFile, listening(demoRoute.replace('demo:', `http://127.0.0.1:${origin.port}`)));
      await program.run();
      await page.goto(program.url);
      await go(page, 'Comb');
      const stream = await openStream(`${program.proxy}/events`);
      await until('events arrive', () => stream.text.includes('data: 3'));
      await page.getByRole('treeitem', { name: /^Headers,/ }).focus();
      await page.keyboard.press('Space');
      await page.getByRole('button', { name: 'Apply 1 change' }).click();
      await page.getByText('Applied 1 change').waitFor();
      const before = stream.text.length;
      await until('events go on', () => stream.text.length > before + 40);
      expect(stream.ended).toBe(false);
      stream.close();
    } finally {
      await origin.close();
    }
  }, { expected: /ERR_/ });

  journey('is walked, switched, moved, undone and filled by the keyboard', async ({ page }) => {
    await go(page, 'Comb');
    const names = () => page.getByRole('treeitem').evaluateAll((items) => items.map((item) => (item.getAttribute('aria-label') ?? '').split(',')[0]));
    const before = await names();
    expect(before).toEqual(['Clients', before[1], 'Request ID', 'Headers', 'demo', 'Demo API']);
    await page.getByRole('treeitem').first().focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toMatch(/^Request ID, 3 of \d/);
    await page.keyboard.press('Alt+ArrowRight');
    await until('it moved', async () => (await names()).join() === ['Clients', before[1], 'Headers', 'Request ID', 'demo', 'Demo API'].join());
    await page.keyboard.press('Control+z');
    await until('it is back', async () => (await names()).join() === before.join());
    await page.getByRole('treeitem', { name: /^Headers,/ }).focus();
    await page.keyboard.type('+');
    await page.getByText('Choose a module to put behind headers').waitFor();
    await page.keyboard.press('Enter'); // the modules have the focus
    await until('a cell was inserted', async () => (await names()).length === before.length + 1);
    await page.getByRole('button', { name: 'Discard' }).click();
    await page.keyboard.press('Control+z'); // what was discarded comes back
    await page.getByRole('button', { name: 'Apply 1 change' }).waitFor();
  });

  journey('what stands over the canvas takes the mouse, and the canvas is dragged beside it', async ({ page }) => {
    await go(page, 'Comb');
    const zoom = async () => Number.parseInt(await page.getByText(/^\d+ %$/).innerText(), 10);
    const before = await zoom();
    await page.getByRole('button', { name: 'Zoom in' }).click();
    expect(await zoom()).toBeGreaterThan(before);
    await page.getByRole('button', { name: 'Zoom out' }).click();
    await page.getByRole('button', { name: 'Zoom out' }).click();
    expect(await zoom()).toBeLessThan(before);
    await page.getByRole('button', { name: 'Fit' }).click();
    expect(await zoom()).toBe(before);
    await page.getByRole('treeitem', { name: /^Headers,/ }).click();
    await page.getByRole('button', { name: 'demo', exact: true }).click();
    await page.getByRole('textbox', { name: 'Name', exact: true }).waitFor();
    await page.getByText('TOML', { exact: true }).click();
    await page.getByText('[[routes.cells]]').first().waitFor();
    await page.getByText('Grid', { exact: true }).click();

    const cell = page.getByRole('treeitem', { name: /^Headers,/ });
    const from = await cell.boundingBox();
    const canvas = await page.locator('.canvas').boundingBox();
    if (!from || !canvas) throw new Error('nothing is drawn');
    await page.mouse.move(canvas.x + 10, canvas.y + 70);
    await page.mouse.down();
    await page.mouse.move(canvas.x + 50, canvas.y + 100, { steps: 4 });
    await page.mouse.up();
    const to = await cell.boundingBox();
    expect([Math.round((to?.x ?? 0) - from.x), Math.round((to?.y ?? 0) - from.y)]).toEqual([40, 30]);
  });

  journey('a new route can be applied as it is made', async ({ page, program }) => {
    await go(page, 'Comb');
    await page.getByRole('button', { name: 'Add a route' }).click();
    await page.getByRole('button', { name: /^Apply/ }).click();
    await page.getByText(/^Applied/).waitFor();
    expect(await program.config()).toContain('\n\n[[routes]]\nname = "new-route"\nwhen = \'host = "new-route.localhost"\'\nto = "demo"\n\n[[routes]]\nname = "demo"');
  });

  journey('a cell has a menu, and what is no cell has none', async ({ page }) => {
    await go(page, 'Comb');
    await page.getByRole('treeitem', { name: /^Headers,/ }).click({ button: 'right' });
    await page.getByRole('menuitem', { name: /^Switch off/ }).click();
    await page.getByRole('treeitem', { name: /^Headers,.*off/ }).waitFor();
    await page.getByRole('treeitem', { name: /^Clients,/ }).click({ button: 'right' });
    expect(await page.getByRole('menu').count()).toBe(0);
  });

  journey('a reload asks before it throws a draft away', async ({ page }) => {
    await go(page, 'Comb');
    await page.getByRole('treeitem', { name: /^Headers,/ }).focus();
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Apply 1 change' }).waitFor();
    const asked: string[] = [];
    page.on('dialog', (dialog) => {
      asked.push(dialog.type());
      void dialog.dismiss();
    });
    await page.evaluate(() => location.reload());
    await until('it was asked', () => asked.length > 0);
    expect(asked).toEqual(['beforeunload']);
    await page.getByRole('button', { name: 'Discard' }).click();
    await page.reload();
    await page.getByText('In force, no changes').waitFor();
    expect(asked).toHaveLength(1);
  });

  journey('stays legible in a small window: it is panned, and the modules fold away', async ({ page }) => {
    await go(page, 'Comb');
    const percent = page.getByText(/^\d+ %$/);
    expect(Number.parseInt(await percent.innerText(), 10)).toBeGreaterThanOrEqual(70);
    const canvas = page.locator('.canvas');
    const high = async () => (await canvas.boundingBox())?.height ?? 0;
    const before = await high();
    await page.getByRole('button', { name: 'Modules' }).click();
    await until('there is more room', async () => (await high()) > before + 60);
    await page.getByRole('treeitem').first().focus();
    await page.keyboard.press('End');
    await until('the cell with the focus is in sight', async () => {
      const at = await page.locator('[role=treeitem]:focus').boundingBox();
      const all = await canvas.boundingBox();
      return at !== null && all !== null && at.x >= all.x && at.x + at.width <= all.x + all.width;
    });
    await page.getByRole('button', { name: 'Fit' }).click();
    await until('all of it is', async () => Number.parseInt(await percent.innerText(), 10) < 70);
  }, { width: 1024, height: 640, config: listening(`${demoRoute}\n${'  [[routes.cells]]\n  use = "headers"\n\n'.repeat(6)}`) });

  journey('tells which route would take a request, and why the others would not', async ({ page }) => {
    await go(page, 'Comb');
    await page.getByRole('textbox', { name: 'Which route takes it?' }).fill('GET /v1/items');
    await page.getByText('demo, at 1.').waitFor();
    const field = page.getByRole('textbox', { name: 'Which route takes it?' });
    await field.fill('GET http://example.com/');
    await page.getByText(/^No route takes it/).waitFor();
    await field.fill('no request at all');
    await page.getByText(/is no request/).waitFor();
    expect(await field.getAttribute('aria-invalid')).toBe('true');
  }, { expected: /400 \(Bad Request\)/ });

  journey('shows the way of an exchange', async ({ page, program }) => {
    await ask(`${program.proxy}/v1/items`);
    await go(page, 'Traffic');
    await page.getByRole('row').filter({ hasText: '/v1/items' }).click();
    await page.keyboard.press('x');
    await page.getByRole('main', { name: 'Comb' }).waitFor();
    const trail = page.getByRole('complementary', { name: /^X-ray of GET/ });
    await trail.getByText('Request ID').waitFor();
    await trail.getByText(/answered, through 2 cells/).waitFor();
    await page.getByText('Answered here, 200').waitFor();
    await page.keyboard.press('Escape');
    await trail.waitFor({ state: 'hidden' });
  });
});
