use super::*;
use proptest::prelude::*;

const ID: &str = "3f4a5b6c7d8e9f00112233445566778899aabbccddeeff001122334455667788";
const OUTER: &str = "ffffffffffff9f00112233445566778899aabbccddeeff001122334455667788";
const UID: &str = "2b7a1c5e-0d3f-4e6a-9b8c-7d6e5f4a3b2c";

/// Path (`ID`, `OUTER`, `UID` and `U_I_D` stand for themselves), name, runtime, QoS class of its pod.
const TABLE: &[(&str, &str, Option<Runtime>, Option<Qos>)] = &[
    ("/", "/", None, None),
    ("", "/", None, None),
    ("/lima-demo/demo-a", "/lima-demo/demo-a", None, None),
    // Engines, cgroupfs and systemd drivers.
    ("/docker/ID", "docker:3f4a5b6c7d8e", Some(Runtime::Docker), None),
    ("/system.slice/docker-ID.scope", "docker:3f4a5b6c7d8e", Some(Runtime::Docker), None),
    ("/docker/ID/init", "docker:3f4a5b6c7d8e", Some(Runtime::Docker), None),
    ("/docker/ID/system.slice/nginx.service", "docker:3f4a5b6c7d8e", Some(Runtime::Docker), None),
    ("/jobs/ID", "container:3f4a5b6c7d8e", None, None),
    ("/system.slice:docker:ID", "docker:3f4a5b6c7d8e", Some(Runtime::Docker), None),
    ("/default/ID", "container:3f4a5b6c7d8e", None, None),
    ("/k8s.io/ID", "containerd:3f4a5b6c7d8e", Some(Runtime::Containerd), None),
    ("/system.slice/nerdctl-ID.scope", "containerd:3f4a5b6c7d8e", Some(Runtime::Containerd), None),
    ("/system.slice/crio-ID.scope", "cri-o:3f4a5b6c7d8e", Some(Runtime::CriO), None),
    ("/machine.slice/libpod-ID.scope", "podman:3f4a5b6c7d8e", Some(Runtime::Podman), None),
    ("/machine.slice/libpod-ID.scope/container", "podman:3f4a5b6c7d8e", Some(Runtime::Podman), None),
    ("/libpod_parent/libpod-ID", "podman:3f4a5b6c7d8e", Some(Runtime::Podman), None),
    ("/system.slice/web.service/libpod-payload-ID", "podman:3f4a5b6c7d8e", Some(Runtime::Podman), None),
    (
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
        "podman:3f4a5b6c7d8e",
        Some(Runtime::Podman),
        None,
    ),
    ("/system.slice/runc-web1.scope", "runc:web1", Some(Runtime::Runc), None),
    ("/user.slice/runc-ID.scope", "runc:3f4a5b6c7d8e", Some(Runtime::Runc), None),
    // Helpers of a container are not the container.
    ("/machine.slice/libpod-conmon-ID.scope", "libpod-conmon-ID.scope", Some(Runtime::Systemd), None),
    // Kubernetes.
    ("/kubepods/burstable/podUID/ID", "kubepods:3f4a5b6c7d8e", Some(Runtime::Kubepods), Some(Qos::Burstable)),
    ("/kubepods/besteffort/podUID/ID", "kubepods:3f4a5b6c7d8e", Some(Runtime::Kubepods), Some(Qos::BestEffort)),
    ("/kubepods/podUID/ID", "kubepods:3f4a5b6c7d8e", Some(Runtime::Kubepods), Some(Qos::Guaranteed)),
    ("/kubepods/burstable/podUID/crio-ID", "cri-o:3f4a5b6c7d8e", Some(Runtime::CriO), Some(Qos::Burstable)),
    (
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_I_D.slice/cri-containerd-ID.scope",
        "containerd:3f4a5b6c7d8e",
        Some(Runtime::Containerd),
        Some(Qos::BestEffort),
    ),
    (
        "/kubepods.slice/kubepods-podU_I_D.slice/docker-ID.scope",
        "docker:3f4a5b6c7d8e",
        Some(Runtime::Docker),
        Some(Qos::Guaranteed),
    ),
    (
        "/system.slice/containerd.service/kubepods-burstable-podU_I_D.slice:cri-containerd:ID",
        "containerd:3f4a5b6c7d8e",
        Some(Runtime::Containerd),
        Some(Qos::Burstable),
    ),
    ("/kubepods/burstable/podUID", "pod:UID", Some(Runtime::Kubepods), Some(Qos::Burstable)),
    (
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_I_D.slice",
        "pod:UID",
        Some(Runtime::Kubepods),
        Some(Qos::Burstable),
    ),
    ("/kubepods.slice/kubepods-burstable.slice", "kubepods-burstable.slice", Some(Runtime::Systemd), None),
    // Kubernetes in Docker: the innermost container.
    (
        "/docker/OUTER/kubelet/kubepods/burstable/podUID/ID",
        "kubepods:3f4a5b6c7d8e",
        Some(Runtime::Kubepods),
        Some(Qos::Burstable),
    ),
    (
        "/system.slice/docker-OUTER.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/\
         kubelet-kubepods-burstable-podU_I_D.slice/cri-containerd-ID.scope",
        "containerd:3f4a5b6c7d8e",
        Some(Runtime::Containerd),
        Some(Qos::Burstable),
    ),
    // systemd.
    ("/init.scope", "init.scope", Some(Runtime::Systemd), None),
    ("/system.slice", "system.slice", Some(Runtime::Systemd), None),
    ("/system.slice/ssh.service", "ssh.service", Some(Runtime::Systemd), None),
    (r"/system.slice/dev-disk\x2dby.slice", r"dev-disk\x2dby.slice", Some(Runtime::Systemd), None),
    ("/system.slice/db.service/worker1", "/system.slice/db.service/worker1", None, None),
    ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", Some(Runtime::Systemd), None),
    ("/user.slice/user-1000.slice/user@1000.service", "user@1000.service", Some(Runtime::Systemd), None),
    (
        "/user.slice/user-1000.slice/user@1000.service/app.slice/dbus.service",
        "user@1000/dbus.service",
        Some(Runtime::Systemd),
        None,
    ),
    // Nearly: an id too short, in capitals, or a suffix without a name.
    ("/docker/3f4a5b6c7d8e", "/docker/3f4a5b6c7d8e", None, None),
    ("/system.slice/docker-abc.scope", "docker-abc.scope", Some(Runtime::Systemd), None),
    ("/a/.service", "/a/.service", None, None),
    ("/runc-.scope", "runc-.scope", Some(Runtime::Systemd), None),
    ("/podcast/x", "/podcast/x", None, None),
    ("/kubepods/podcast-server", "/kubepods/podcast-server", None, None),
];

fn spell(text: &str) -> String {
    text.replace("ID", "\0")
        .replace("U\0", UID)
        .replace('\0', ID)
        .replace("OUTER", OUTER)
        .replace("U_I_D", &UID.replace('-', "_"))
}

#[test]
fn paths_of_every_engine_are_recognised() {
    for &(path, name, runtime, qos) in TABLE {
        let path = spell(path);
        let found = recognise(&path);
        assert_eq!(found.name, spell(name), "{path}");
        assert_eq!(found.runtime, runtime, "{path}");
        assert_eq!(found.pod.as_ref().map(|pod| pod.qos), qos, "{path}");
        assert!(found.pod.is_none_or(|pod| pod.uid == UID), "{path}");
        let container = name.starts_with("container") || name.contains(":3f4a") || name == "runc:web1";
        assert_eq!(found.kind == TenantKind::Container, container, "{path}");
        assert_eq!(found.container_id.is_some(), container, "{path}");
    }
}

#[test]
fn a_container_owns_what_is_below_it() {
    let path = spell("/docker/ID/system.slice/nginx.service");
    assert_eq!(&path[..recognise(&path).own], spell("/docker/ID"));
    assert_eq!(recognise("/a/b").own, 4);
}

fn hostile_path() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        any::<String>(),
        "[a-f0-9]{63,65}",
        "(docker|crio|libpod|cri-containerd|runc|kubepods|kubepods-pod|pod)[-:/.]?[a-f0-9é_-]{0,66}(.scope|.slice|.service)?",
        Just(ID.to_owned()),
        Just("kubepods".to_owned()),
        Just(String::new()),
    ];
    proptest::collection::vec(part, 0..6).prop_map(|parts| format!("/{}", parts.join("/")))
}

proptest! {
    #[test]
    fn no_path_is_too_strange(path in hostile_path()) {
        let found = recognise(&path);
        prop_assert!(!found.name.is_empty());
        prop_assert!(path.is_char_boundary(found.own));
        prop_assert_eq!(found.kind == TenantKind::Container, found.container_id.is_some());
        // A name never says container where the path has no id: only bare runc's are freely chosen.
        if let Some(id) = &found.container_id {
            prop_assert!(path.contains(id.as_str()));
            prop_assert!(is_id(id) || found.runtime == Some(Runtime::Runc));
        }
    }
}
