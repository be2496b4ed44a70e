//! Elements of a tree by their place, for changing one of many.

use virt_xml::{Content, Tree};

/// The way from the root to an element: which child element at each level.
pub type Place = Vec<usize>;

/// Every element's place with the name of its parent, the root first.
pub fn places(root: &Tree) -> Vec<(Place, String)> {
    let mut found = vec![(Vec::new(), String::new())];
    walk(root, &mut Vec::new(), &mut found);
    found
}

fn walk(tree: &Tree, here: &mut Place, found: &mut Vec<(Place, String)>) {
    for (at, child) in tree.elements().enumerate() {
        here.push(at);
        found.push((here.clone(), tree.name.clone()));
        walk(child, here, found);
        here.pop();
    }
}

/// The element at a place.
pub fn at<'t>(root: &'t Tree, place: &[usize]) -> Option<&'t Tree> {
    match place.split_first() {
        None => Some(root),
        Some((first, rest)) => at(root.elements().nth(*first)?, rest),
    }
}

/// The same, to change it.
pub fn at_mut<'t>(root: &'t mut Tree, place: &[usize]) -> Option<&'t mut Tree> {
    match place.split_first() {
        None => Some(root),
        Some((first, rest)) => {
            let children = root.content.iter_mut().filter_map(|content| match content {
                Content::Element(tree) => Some(tree),
                Content::Text(_) => None,
            });
            at_mut(children.into_iter().nth(*first)?, rest)
        }
    }
}

/// Takes the element out.
pub fn remove(root: &mut Tree, place: &[usize]) -> Option<Tree> {
    let (last, parent) = place.split_last()?;
    let parent = at_mut(root, parent)?;
    let index = parent
        .content
        .iter()
        .enumerate()
        .filter(|(_, content)| matches!(content, Content::Element(_)))
        .map(|(index, _)| index)
        .nth(*last)?;
    match parent.content.remove(index) {
        Content::Element(tree) => Some(tree),
        Content::Text(_) => None,
    }
}

/// Without the white space between elements, so that it does not stay where one is taken out.
pub fn strip(tree: &mut Tree) {
    let elements = tree.elements().next().is_some();
    tree.content.retain_mut(|content| match content {
        Content::Element(child) => {
            strip(child);
            true
        }
        Content::Text(text) => !elements || !text.trim().is_empty(),
    });
}
