#!/bin/bash
# Adds a host with a cable to the switch of the hosts that are there: add-host.sh NAME ADDRESS
set -eu
ip netns add "$1"
ip -n "$1" link set lo up
ip -n sw link add "p-$1" type veth peer name eth0 netns "$1"
ip -n sw link set "p-$1" master br0 up
ip -n "$1" addr add "$2/24" dev eth0
ip -n "$1" link set eth0 up
