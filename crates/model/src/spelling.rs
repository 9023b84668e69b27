//! How people spell a tenant that they want to see: as a report shows it, or in one of the customary shorter ways.

/// What a tenant can be called by.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its name.
    pub name: &'a str,
    /// The path of its cgroup.
    pub path: Option<&'a str>,
    /// What runs it.
    pub runtime: Option<&'a str>,
    /// Its container id, in full.
    pub container_id: Option<&'a str>,
}

/// How well a spelling fits a tenant. What fits some tenant [`Fit::Full`] does not mean another that it fits
/// [`Fit::Short`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// The path without its first slash, or the beginning of the container id.
    Short,
    /// Its name, the whole path, or the whole container id.
    Full,
}

/// The fewest characters of a container id that stand for the whole: as many as `docker ps` shows.
pub const SHORT_ID: usize = 12;

/// Whether `called` can mean this tenant.
pub fn fit(called: &str, known: &Known<'_>) -> Option<Fit> {
    let full = [Some(known.name), known.path, known.container_id];
    if full.contains(&Some(called)) {
        return Some(Fit::Full);
    }
    let same_path = |path: &str| !called.is_empty() && path.trim_matches('/') == called.trim_matches('/');
    let begins_id = |id: &str| {
        let of_runtime = known.runtime.and_then(|runtime| called.strip_prefix(runtime)?.strip_prefix(':'));
        let digits = of_runtime.unwrap_or(called);
        digits.len() >= SHORT_ID.min(id.len()) && id.starts_with(digits)
    };
    (known.path.is_some_and(same_path) || known.container_id.is_some_and(begins_id)).then_some(Fit::Short)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f4a5b6c7d8e9f00112233445566778899aabbccddeeff001122334455667788";

    #[test]
    fn a_cgroup_goes_by_its_path_with_and_without_the_slash() {
        let red = Known { name: "/red", path: Some("/red"), runtime: None, container_id: None };
        assert_eq!(fit("/red", &red), Some(Fit::Full));
        assert_eq!(["red", "red/", "/red/"].map(|called| fit(called, &red)), [Some(Fit::Short); 3]);
        assert_eq!(["", "/", "re", "reds", "/a/red", "Red"].map(|called| fit(called, &red)), [None; 6]);
        let unit = Known { name: "ssh.service", path: Some("/system.slice/ssh.service"), ..red };
        assert_eq!(fit("ssh.service", &unit), Some(Fit::Full));
        assert_eq!(fit("system.slice/ssh.service", &unit), Some(Fit::Short));
        let root = Known { name: "/", path: Some("/"), ..red };
        assert_eq!((fit("/", &root), fit("", &root)), (Some(Fit::Full), None));
    }

    #[test]
    fn a_container_goes_by_the_beginning_of_its_id() {
        let path = format!("/docker/{ID}");
        let docker =
            Known { name: "docker:3f4a5b6c7d8e", path: Some(&path), runtime: Some("docker"), container_id: Some(ID) };
        assert_eq!(["docker:3f4a5b6c7d8e", ID, &path].map(|called| fit(called, &docker)), [Some(Fit::Full); 3]);
        let shorter = [&ID[..12], &ID[..40], "docker:3f4a5b6c7d8e9f", &path[1..]];
        assert_eq!(shorter.map(|called| fit(called, &docker)), [Some(Fit::Short); 4]);
        let others = [&ID[..11], "podman:3f4a5b6c7d8e", "docker:", "docker:3f4a", "docker", "3f4a5b6c7d8f"];
        assert_eq!(others.map(|called| fit(called, &docker)), [None; 6]);
    }

    #[test]
    fn an_id_that_people_chose_may_be_short_and_is_given_in_full() {
        let web =
            Known { name: "runc:web", path: Some("/runc-web.scope"), runtime: Some("runc"), container_id: Some("web") };
        assert_eq!(
            [fit("web", &web), fit("runc:web", &web), fit("we", &web)],
            [Some(Fit::Full), Some(Fit::Full), None]
        );
    }
}
