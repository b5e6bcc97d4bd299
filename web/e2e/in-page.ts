/** Expressions that a page evaluates for tests which stay outside of it. */

/** Waits in the page until `condition` holds; what the page says of its live views tells why it does not. */
export const until = (condition: string): string => `new Promise((resolve, reject) => {
  const end = Date.now() + 15000;
  const look = () => {
    if (${condition}) return resolve(true);
    const said = [...document.querySelectorAll('.live-bar, .now .tag')].map((each) => each.textContent);
    if (Date.now() > end) return reject(new Error([${JSON.stringify(condition)}, ...said].join(' / ')));
    setTimeout(look, 10);
  };
  look();
})`;

/** There is a live picture. */
export const live = (where: string): string =>
  `document.querySelector('${where} .screen[data-picture="live"]') !== null`;
