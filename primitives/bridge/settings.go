package bridge

// BridgeSettings are the settings of a bridge that a Snapshot has, by the names
// of their files in /sys/class/net/NAME/bridge, in the order in which they can
// be written: the delays before the protocol that checks them, the filtering of
// VLANs after what cannot be changed under it. Times are in hundredths of a
// second. Source: Linux, net/bridge/br_sysfs_br.c.
var BridgeSettings = []string{
	"ageing_time", "hello_time", "max_age", "forward_delay", "priority", "stp_state",
	"group_fwd_mask", "no_linklocal_learn",
	"multicast_snooping", "multicast_router", "multicast_querier", "multicast_query_use_ifaddr",
	"multicast_igmp_version", "multicast_mld_version", "multicast_stats_enabled",
	"multicast_last_member_count", "multicast_startup_query_count",
	"multicast_last_member_interval", "multicast_membership_interval", "multicast_querier_interval",
	"multicast_query_interval", "multicast_query_response_interval", "multicast_startup_query_interval",
	"nf_call_iptables", "nf_call_ip6tables", "nf_call_arptables",
	"vlan_stats_enabled", "vlan_stats_per_port", "vlan_protocol", "default_pvid", vlanFiltering,
}

// vlanFiltering is 1 where the bridge looks at VLANs. The default PVID and the
// protocol of the tags can be changed only while it is 0.
const vlanFiltering = "vlan_filtering"

// PortSettings are those of a port, in /sys/class/net/NAME/brport. Source:
// Linux, net/bridge/br_sysfs_if.c.
var PortSettings = []string{
	"path_cost", "priority", "hairpin_mode", "bpdu_guard", "root_block", "multicast_fast_leave",
	"learning", "unicast_flood", "multicast_flood", "broadcast_flood", "multicast_router",
	"multicast_to_unicast", "proxyarp", "proxyarp_wifi", "neigh_suppress", "isolated", "group_fwd_mask",
}
