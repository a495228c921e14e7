import { describe, expect } from 'vitest';
import { ask } from './http';
import { go, inBrowser, journey, until } from './journey';

inBrowser();

describe('limits and certificates', () => {
  journey('a limit is changed, holds at once, and is there after a reload', async ({ page, program }) => {
    const many = { headers: Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`X-${i}`, 'x'])) };
    expect((await ask(`${program.proxy}/v1/items`, many)).status).toBe(200);
    await go(page, 'Settings');
    await page.getByRole('navigation', { name: 'Settings' }).getByRole('link', { name: 'Limits' }).click();
    const field = page.getByRole('textbox', { name: 'Header fields' });
    await field.fill('0');
    await until('the field is marked', async () => (await field.getAttribute('aria-invalid')) === 'true');
    await field.fill('20');
    await page.keyboard.press('Control+s');
    await page.getByText('Applied 1 change.').waitFor();
    expect((await ask(`${program.proxy}/v1/items`, many)).status).toBe(431);
    expect(await program.config()).toContain('header_fields = 20');

    await page.reload();
    await page.getByRole('main', { name: 'Settings' }).waitFor();
    expect(await field.inputValue()).toBe('20');
    await page.getByRole('button', { name: /^Apply/ }).waitFor({ state: 'hidden' });
  });

  journey('a section that is opened leaves the window where it is', async ({ page }) => {
    await go(page, 'Settings');
    for (const name of ['TLS', 'About', 'Limits']) {
      await page.getByRole('navigation', { name: 'Settings' }).getByRole('link', { name, exact: true }).click();
      const heading = page.getByRole('heading', { name, exact: true });
      await until(`${name} is in sight`, async () => {
        const { y = 0 } = (await heading.boundingBox()) ?? {};
        return y > 44 && y < 700;
      });
      expect((await page.getByRole('contentinfo', { name: 'Status' }).boundingBox())?.y).toBe(800 - 24);
    }
  });

  journey('a certificate whose file does not exist is told at its field, and nothing changes', async ({ page, program }) => {
    await go(page, 'Settings');
    await page.getByRole('navigation', { name: 'Settings' }).getByRole('link', { name: 'TLS' }).click();
    const certificates = page.getByRole('group', { name: 'Certificates' });
    await certificates.getByRole('button', { name: 'Add' }).click();
    const file = certificates.getByRole('textbox', { name: 'Certificate' });
    await file.fill('not-there.pem');
    await certificates.getByRole('textbox', { name: 'Key' }).fill('not-there.key');
    await page.getByRole('button', { name: 'Apply 1 change' }).click();
    await until('the field is marked', async () => (await file.getAttribute('aria-invalid')) === 'true');
    const described = await file.getAttribute('aria-describedby');
    expect(await page.locator(`[id="${described?.split(' ')[0]}"]`).innerText()).toContain('not-there.pem');
    expect(await program.config()).not.toContain('not-there');
    expect((await ask(`${program.proxy}/v1/items`)).status).toBe(200);
  }, { expected: /status of (4|5)\d\d/ });
});
