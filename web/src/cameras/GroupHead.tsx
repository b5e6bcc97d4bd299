/** The line above a subnet's cameras. */

import { Due } from '../Age';
import { Rich } from '../Rich';
import { t } from '../store/settings';
import { subnets } from '../store/store';
import type { Subnet } from '../wire';

export function GroupHead({ name }: { readonly name: string }) {
  const subnet = subnets.value.get(name);
  return (
    <h3>
      <b>{name}</b>
      {subnet !== undefined && (
        <>
          <span>{t('cameras.group', { ready: subnet.ready, total: subnet.cameras })}</span>
          <Sweep subnet={subnet} />
        </>
      )}
    </h3>
  );
}

function Sweep({ subnet }: { readonly subnet: Subnet }) {
  if (subnet.suspended) return <span>{t('cameras.suspended')}</span>;
  if (subnet.sweeping) return <span>{t('cameras.sweeping')}</span>;
  if (subnet.nextSweepAt === null) return <span>{t('header.noSweep')}</span>;
  return (
    <span>
      <Rich of="cameras.nextSweep" with={{ when: <Due at={subnet.nextSweepAt} /> }} />
    </span>
  );
}
