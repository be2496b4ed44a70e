//! What a guest's groups are named after.

use virt_domain::Domain;

/// A guest of that number as its groups know it.
pub fn guest(domain: &Domain, id: i32) -> virt_cgroup::Guest<'_> {
    let resource = domain.resource.as_ref();
    virt_cgroup::Guest {
        id,
        name: &domain.name,
        uuid: *domain.uuid.as_bytes(),
        partition: resource.and_then(|resource| resource.partition.as_deref()),
    }
}
