//! Circles in a graph, found in one pass however large it is.

use std::collections::VecDeque;

const NONE: usize = usize::MAX;

/// The circle in which each node is, by number; `None` for nodes in none. `edges` are the nodes that each node leads to.
/// This is Tarjan's search, with its own stack: graphs come from files, and a deep one must not end the program.
pub(super) fn circles(edges: &[Vec<usize>]) -> Vec<Option<usize>> {
    let mut search = Search {
        order: vec![NONE; edges.len()],
        low: vec![NONE; edges.len()],
        component: vec![NONE; edges.len()],
        ..Search::default()
    };
    for root in 0..edges.len() {
        if search.order[root] == NONE {
            search.from(root, edges);
        }
    }
    let mut sizes = vec![0_usize; search.components];
    for component in &search.component {
        sizes[*component] += 1;
    }
    let nodes = search.component.iter().zip(edges).enumerate();
    nodes
        .map(|(node, (component, to))| (sizes[*component] > 1 || to.contains(&node)).then_some(*component))
        .collect()
}

/// A shortest way from a node back to itself; begins and ends with it. Empty where there is none.
pub(super) fn way_back(start: usize, edges: &[Vec<usize>], circles: &[Option<usize>]) -> Vec<usize> {
    let mut before = vec![NONE; edges.len()];
    let mut open = VecDeque::from([start]);
    while let Some(at) = open.pop_front() {
        for next in &edges[at] {
            if *next == start {
                let mut way = vec![start];
                let mut step = at;
                while step != start {
                    way.push(step);
                    step = before[step];
                }
                way.push(start);
                way.reverse();
                return way;
            }
            if before[*next] == NONE && circles[*next] == circles[start] {
                before[*next] = at;
                open.push_back(*next);
            }
        }
    }
    Vec::new()
}

#[derive(Default)]
struct Search {
    /// When each node was met.
    order: Vec<usize>,
    /// The earliest node that can be reached from each.
    low: Vec<usize>,
    component: Vec<usize>,
    components: usize,
    met: usize,
    /// Nodes whose component is not known yet.
    open: Vec<usize>,
}

impl Search {
    fn from(&mut self, root: usize, edges: &[Vec<usize>]) {
        self.meet(root);
        let mut way = vec![(root, 0)];
        while let Some((node, done)) = way.last_mut() {
            let node = *node;
            if let Some(to) = edges[node].get(*done).copied() {
                *done += 1;
                if self.order[to] == NONE {
                    self.meet(to);
                    way.push((to, 0));
                } else if self.component[to] == NONE {
                    self.low[node] = self.low[node].min(self.order[to]);
                }
                continue;
            }
            way.pop();
            if let Some((parent, _)) = way.last() {
                self.low[*parent] = self.low[*parent].min(self.low[node]);
            }
            if self.low[node] == self.order[node] {
                self.close(node);
            }
        }
    }

    fn meet(&mut self, node: usize) {
        self.order[node] = self.met;
        self.low[node] = self.met;
        self.met += 1;
        self.open.push(node);
    }

    /// All that was met since this node is one component with it.
    fn close(&mut self, node: usize) {
        while let Some(member) = self.open.pop() {
            self.component[member] = self.components;
            if member == node {
                break;
            }
        }
        self.components += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_told_from_what_leads_to_them() {
        // 0 → 1 → 2 → 1, 2 → 3; 4 → 4; 5 → 6 → 7 → 5, with a shorter way from 6 back to 5.
        let edges: Vec<Vec<usize>> = [
            vec![1],
            vec![2],
            vec![1, 3],
            vec![],
            vec![4],
            vec![6],
            vec![7, 5],
            vec![5],
        ]
        .into();
        let found = circles(&edges);
        let is_in: Vec<bool> = found.iter().map(Option::is_some).collect();
        assert_eq!(is_in, [false, true, true, false, true, true, true, true]);
        assert!(found[1] == found[2] && found[5] == found[7] && found[1] != found[5] && found[4] != found[5]);
        for (start, way) in [
            (1, vec![1, 2, 1]),
            (4, vec![4, 4]),
            (5, vec![5, 6, 5]),
            (7, vec![7, 5, 6, 7]),
            (0, vec![]),
        ] {
            assert_eq!(way_back(start, &edges, &found), way, "{start}");
        }
    }

    #[test]
    fn a_very_deep_graph_needs_no_deep_stack() {
        let count = 300_000;
        let chain: Vec<Vec<usize>> = (0..count).map(|node| (node + 1..count).take(2).collect()).collect();
        assert!(circles(&chain).iter().all(Option::is_none));
        let ring: Vec<Vec<usize>> = (0..count).map(|node| vec![(node + 1) % count]).collect();
        let found = circles(&ring);
        assert!(found.iter().all(|circle| *circle == Some(0)));
        assert_eq!(way_back(7, &ring, &found).len(), count + 1);
    }
}
